//! Every limit, with its unit and its reason.

use std::time::Duration;

/// Largest user payload (input, output, step result, signal), in bytes. A value must stay
/// well under NATS' default `max_payload` of 1 MiB; larger data belongs in an object store.
pub const PAYLOAD_BYTES_MAX: usize = 256 * 1024;

/// Longest message of a failure, in bytes; the rest is cut off. It must never keep a value from
/// being written.
pub const FAILURE_MESSAGE_BYTES_MAX: usize = 8 * 1024;

/// Longest error in `waits`, in bytes: the whole one stands in the journal.
pub const WAIT_ERROR_BYTES_MAX: usize = 256;

/// Longest invocation id or partition key, in bytes before encoding. Encoded (3 bytes for one
/// at the worst) it still fits a subject token comfortably.
pub const ID_BYTES_MAX: usize = 128;

/// Longest id of a signal or hook, in bytes: that of an invocation, a run and a step, with which
/// workflows send theirs. Whoever else sends one has [`ID_BYTES_MAX`].
pub const SENDER_ID_BYTES_MAX: usize = 192;

/// Longest name of a workflow, activity, topic, queue, step or signal, in bytes.
pub const NAME_BYTES_MAX: usize = 128;

/// Committed journal entries in a value before the next turn moves them to a page, in bytes.
/// Part of the format: two builds that page at different sizes could write the same page
/// number with different contents, so changing it needs a new format version.
pub const PAGE_BYTES: usize = 4 * 1024;

/// Journal bytes that one turn may add before the rest goes to a further turn.
pub const TURN_BYTES_MAX: usize = 64 * 1024;

/// Effects of one turn at the most: they stand in the value until they are settled.
pub const TURN_EFFECTS_MAX: usize = 256;

/// Size of the messages that let go of what is elsewhere when an invocation ends, about: closes of
/// children, answers to updates, waits that are withdrawn. They leave by one value; children beyond
/// are left to themselves.
pub const CLOSES_BYTES_MAX: usize = 256 * 1024;

/// Signals kept for an invocation that does not yet wait for them.
pub const SIGNALS_BUFFERED_MAX: usize = 1_000;

/// Ids of taken signals that a value remembers for the whole retention; beyond, only those of
/// the last [`SIGNALS_TAKEN_KEPT`].
pub const SIGNALS_TAKEN_MAX: usize = 2_000;

/// How long the id of a taken signal is remembered in any case: far longer than the time in which
/// a delivery or a sender's repeat comes again.
pub const SIGNALS_TAKEN_KEPT: Duration = Duration::from_secs(120);

/// Largest value that is written, in bytes: what NATS takes in a message by default, less the
/// headers. An invocation whose value would pass it fails.
pub const VALUE_BYTES_MAX: usize = 1_000_000;

/// Commands for one key that an engine keeps in hand while they have to wait.
pub const WAITING_COMMANDS_MAX: usize = 512;

/// Invocations waiting in the queue of one partition key; further ones stay in COMMANDS.
pub const KEY_QUEUE_MAX: usize = 1_000;

/// Commands kept in a parked or paused invocation until it resumes; further ones stay in COMMANDS.
pub const DEFERRED_MAX: usize = 1_000;

/// Key-value pairs of an invocation.
pub const KV_KEYS_MAX: usize = 100;

/// Largest value under one key, in bytes.
pub const KV_VALUE_BYTES_MAX: usize = 16 * 1024;

/// Key-value pairs of an invocation in all, in bytes: they stand in its value, which a hundred of
/// the largest would not fit.
pub const KV_BYTES_MAX: usize = 256 * 1024;

/// Search attributes of an invocation.
pub const SEARCH_KEYS_MAX: usize = 64;

/// Search attributes of an invocation in all, in bytes.
pub const SEARCH_BYTES_MAX: usize = 16 * 1024;

/// Largest custom status, in bytes.
pub const CUSTOM_STATUS_BYTES_MAX: usize = 256 * 1024;

/// Key-value pairs and custom status together, in bytes: after a continue-as-new they stand in the
/// value and once more in the journal, beside the largest input.
pub const STATE_BYTES_MAX: usize = 320 * 1024;

/// Answers to updates that a value keeps for who did not hear them; the oldest go first.
pub const ANSWERS_MAX: usize = 100;

/// The same, in bytes.
pub const ANSWERS_BYTES_MAX: usize = 64 * 1024;

/// Largest details of a heartbeat, in bytes.
pub const HEARTBEAT_DETAILS_BYTES_MAX: usize = 4 * 1024;

/// Heartbeats that a value keeps, in bytes; the oldest go first.
pub const BEATS_BYTES_MAX: usize = 64 * 1024;

/// Least time between two heartbeats of an attempt that leave the worker: each is a write.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);

/// Steps that one decision of a map begins at the most.
pub const MAP_BATCH_MAX: usize = 128;

/// Inputs of one decision of a map, in bytes, unless a single one is larger.
pub const MAP_BATCH_BYTES_MAX: usize = 32 * 1024;

/// How long a signal box keeps a signal that nobody waits for, unless its sender says otherwise.
pub const NAMED_SIGNAL_KEPT: Duration = Duration::from_secs(600);

/// Longest time that a signal box keeps a signal, whatever its sender says: a store reckons the end
/// of a value's life in 64 bits.
pub const NAMED_SIGNAL_KEPT_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Signals of one name that a box keeps; further ones go to the dead letters.
pub const BOX_SIGNALS_MAX: usize = 1_000;

/// The same, in bytes as they are stored: the largest binary one fits.
pub const BOX_SIGNALS_BYTES_MAX: usize = PAYLOAD_BYTES_MAX / 3 * 4 + 1_024;

/// A signal box as it is stored, in bytes, beyond which it forgets what it has given. Further below
/// [`VALUE_BYTES_MAX`] than what else it remembers can grow.
pub const BOX_BYTES_MAX: usize = 768 * 1024;

/// Commands that one turn of a signal box takes: it names them.
pub const BOX_TURN_COMMANDS_MAX: usize = 1_500;

/// Steps that wait at one signal box; further awaits stay in COMMANDS.
pub const BOX_WAITING_MAX: usize = 500;

/// The same, in bytes.
pub const BOX_WAITING_BYTES_MAX: usize = 120 * 1024;

/// Ids of signals, and steps that wait no more, that a signal box remembers for the whole
/// retention; beyond, only those of the last [`SIGNALS_TAKEN_KEPT`].
pub const BOX_REMEMBERED_MAX: usize = 750;

/// The same, whatever was of late: then signals go to the dead letters, since their repeats would
/// not be known.
pub const BOX_REMEMBERED_LATELY_MAX: usize = 1_500;

/// Ids of such signals, in bytes.
pub const BOX_REMEMBERED_BYTES_MAX: usize = 224 * 1024;

/// Hooks of an invocation that somebody waits for, at a time: each is answered when it ends.
pub const HOOKS_AWAITED_MAX: usize = 500;

/// Steps that one message names to a worker as no longer wanted.
pub const STOPPED_STEPS_MAX: usize = 1_000;

/// Time that an activity has to end after it was told to stop, unless configured.
pub const ACTIVITY_CANCEL_GRACE: Duration = Duration::from_secs(10);

/// How often an attempt that goes on looks whether its outcome is still wanted, unless configured:
/// what makes up for a message that was lost.
pub const ACTIVITY_CANCEL_CHECK: Duration = Duration::from_secs(10);

/// Stops that a worker remembers, for tasks that come later, and how long.
pub const STOPS_KEPT_MAX: usize = 10_000;
/// See [`STOPS_KEPT_MAX`].
pub const STOPS_KEPT: Duration = Duration::from_secs(600);

/// Steps that a cancelled program may still ask for, in one go, before it is ended.
pub const CANCEL_IGNORED_MAX: u32 = 100;

/// Slots that the sessions of a topic are spread over. Part of the format: with another number a
/// session moves to another slot.
pub const SESSION_SLOTS: u16 = 16;

/// Tags of a worker.
pub const TAGS_MAX: usize = 5;

/// Longest tag, in bytes.
pub const TAG_BYTES_MAX: usize = 64;

/// Pending steps that a value lists for people (`waits`); the count is always exact.
pub const WAITS_LISTED_MAX: usize = 8;

/// Partitions of a queue unless configured.
pub const PARTITIONS_DEFAULT: u16 = 8;

/// Most partitions of a queue: each is a consumer on the server.
pub const PARTITIONS_MAX: u16 = 1_024;

/// Time after which an unacknowledged delivery comes again.
pub const ACK_WAIT: Duration = Duration::from_secs(5);

/// Timers up to this stay in the engine's memory, anchored by an unacknowledged command.
pub const SHORT_TIMER_MAX: Duration = Duration::from_secs(2);

/// Runs that have continued as new which a value lists. What the journal of an earlier one holds
/// is let go.
pub const RUNS_LISTED_MAX: usize = 16;

/// Largest part of a journal that a fork begins with, in bytes: it stands in its first value.
pub const FORK_BYTES_MAX: usize = 500_000;

/// Time that an ended invocation is kept unless configured (`R` of the rules).
pub const RETENTION: Duration = Duration::from_secs(24 * 3600);

/// Least retention: longer than any outage or pause of a process that the rules allow for.
pub const RETENTION_MIN: Duration = Duration::from_secs(3600);

/// How long a start waits for an engine that has its workflow before it fails as `unregistered`.
pub const UNREGISTERED_GRACE: Duration = Duration::from_secs(10);

/// How long a signal or cancel for an id without a value is held before it is dead-lettered.
pub const ABSENT_GRACE: Duration = Duration::from_secs(30);

/// Deliveries of a command or task that ended with the death of its process before it is given up.
pub const CRASHES_MAX: u32 = 10;

/// De-duplication window of the streams. Short: each id costs 175 bytes of server memory.
pub const DUPLICATE_WINDOW: Duration = Duration::from_secs(10);

/// Time between two heartbeats of a member.
pub const HEARTBEAT: Duration = Duration::from_secs(2);

/// Time after which a silent member is forgotten.
pub const MEMBER_TTL: Duration = Duration::from_secs(5);

/// Answer awaited from the server for one request; then the outcome is unknown.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(1);

/// Oldest NATS server: schedules with cancel, time zones and rollup (ADR-51).
pub const SERVER_VERSION_MIN: (u64, u64, u64) = (2, 14, 0);

/// Version of the value format written by this build.
pub const VALUE_FORMAT: u32 = 1;
