//! Tasks, timers and processes.

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use futures::future::BoxFuture;
use headwater_store::TaskHandle;

use crate::dice::Dice;

/// A process: one life of it. A restarted one is another.
pub type Pid = u32;

/// The network, the weather and the clients' patience: never killed, never paused.
pub const WORLD: Pid = 0;

/// Polls at one instant after which something is taken for spinning.
const POLLS_AT_ONCE_MAX: u64 = 400_000;

/// Why a run of the world ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// What was waited for has happened.
    Done,
    /// The clock has reached the limit.
    TimeUp,
    /// Nothing will ever happen any more.
    Dead,
    /// A task panicked outside user code, or something spins.
    Broken(String),
}

/// The executor and its clock.
pub struct World {
    state: Mutex<State>,
    ready: Arc<Mutex<Ready>>,
}

#[derive(Default)]
struct Ready {
    order: Vec<u64>,
    members: BTreeSet<u64>,
}

struct State {
    now: Duration,
    dice: Dice,
    next_id: u64,
    last_pid: Pid,
    timers: BTreeMap<(Duration, u64), Waker>,
    tasks: BTreeMap<u64, Task>,
    processes: BTreeMap<Pid, Process>,
    broken: Option<String>,
}

struct Task {
    pid: Pid,
    /// Taken out while it is polled.
    future: Option<BoxFuture<'static, ()>>,
    waker: Waker,
}

#[derive(Default)]
struct Process {
    paused_until: Option<Duration>,
    /// Ready while the process is paused.
    held_back: Vec<u64>,
    polls_to_live: Option<u32>,
}

struct TaskWaker {
    id: u64,
    ready: Arc<Mutex<Ready>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        lock(&self.ready).add(self.id);
    }
}

impl Ready {
    fn add(&mut self, id: u64) {
        if self.members.insert(id) {
            self.order.push(id);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    /// An empty world.
    #[must_use]
    pub fn new(seed: u64) -> Arc<Self> {
        let state = State {
            now: Duration::ZERO,
            dice: Dice::new(seed, "order"),
            next_id: 1,
            last_pid: WORLD,
            timers: BTreeMap::new(),
            tasks: BTreeMap::new(),
            processes: [(WORLD, Process::default())].into(),
            broken: None,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            ready: Arc::default(),
        })
    }

    /// Time since the beginning.
    #[must_use]
    pub fn now(&self) -> Duration {
        lock(&self.state).now
    }

    /// A new process. It lives until it is killed.
    pub fn new_process(&self) -> Pid {
        let mut state = lock(&self.state);
        state.last_pid += 1;
        let pid = state.last_pid;
        state.processes.insert(pid, Process::default());
        pid
    }

    /// Run a future as part of a process; nothing happens if the process is dead.
    pub fn spawn(self: &Arc<Self>, pid: Pid, future: BoxFuture<'static, ()>) -> TaskHandle {
        let mut state = lock(&self.state);
        let id = state.next_id;
        state.next_id += 1;
        if state.processes.contains_key(&pid) {
            let ready = Arc::clone(&self.ready);
            let waker = Waker::from(Arc::new(TaskWaker { id, ready }));
            let future = Some(future);
            state.tasks.insert(id, Task { pid, future, waker });
            lock(&self.ready).add(id);
        }
        drop(state);
        let world = Arc::downgrade(self);
        TaskHandle::new(move || {
            if let Some(world) = world.upgrade() {
                // Its destructors run without the lock: they may wake and spawn.
                let task = lock(&world.state).tasks.remove(&id);
                drop(task);
            }
        })
    }

    /// Wait this long.
    pub fn sleep(self: &Arc<Self>, duration: Duration) -> Sleep {
        let mut state = lock(&self.state);
        let id = state.next_id;
        state.next_id += 1;
        Sleep {
            world: Arc::clone(self),
            key: (state.now + duration, id),
        }
    }

    /// End a process as `kill -9` does: everything of it is gone at once.
    pub fn kill(&self, pid: Pid) {
        let mut state = lock(&self.state);
        state.processes.remove(&pid);
        let ids: Vec<u64> = state
            .tasks
            .iter()
            .filter(|(_, task)| task.pid == pid)
            .map(|(id, _)| *id)
            .collect();
        let tasks: Vec<_> = ids.iter().map(|id| state.tasks.remove(id)).collect();
        drop(state);
        drop(tasks);
    }

    /// Kill a process after it has been polled this often: at any await point, that is.
    pub fn kill_after(&self, pid: Pid, polls: u32) {
        if let Some(process) = lock(&self.state).processes.get_mut(&pid) {
            process.polls_to_live = Some(polls);
        }
    }

    /// End everything. Tasks and the world hold each other, so this has to be said.
    pub fn end(&self) {
        let mut state = lock(&self.state);
        state.processes.clear();
        let tasks = std::mem::take(&mut state.tasks);
        // Destructors may use the world: without the lock.
        drop(state);
        drop(tasks);
    }

    /// Whether a process has not been killed.
    #[must_use]
    pub fn is_alive(&self, pid: Pid) -> bool {
        lock(&self.state).processes.contains_key(&pid)
    }

    /// Stop a process for a while, as SIGSTOP does. The clock goes on for it.
    pub fn pause(self: &Arc<Self>, pid: Pid, duration: Duration) {
        let until = self.now() + duration;
        if let Some(process) = lock(&self.state).processes.get_mut(&pid) {
            process.paused_until = Some(until);
        }
        let (world, sleep) = (Arc::clone(self), self.sleep(duration));
        let resume = async move {
            sleep.await;
            world.resume(pid);
        };
        self.spawn(WORLD, Box::pin(resume));
    }

    fn resume(&self, pid: Pid) {
        let mut state = lock(&self.state);
        let now = state.now;
        let Some(process) = state.processes.get_mut(&pid) else {
            return;
        };
        if process.paused_until.is_some_and(|until| until <= now) {
            process.paused_until = None;
            let mut ready = lock(&self.ready);
            for id in std::mem::take(&mut process.held_back) {
                ready.add(id);
            }
        }
    }

    /// Run until `done`, or until the clock reaches `limit`.
    pub fn run(&self, limit: Duration, mut done: impl FnMut() -> bool) -> Stop {
        let mut polls = 0;
        loop {
            if let Some(what) = lock(&self.state).broken.take() {
                return Stop::Broken(what);
            }
            if done() {
                return Stop::Done;
            }
            match self.next_ready() {
                Some(id) => {
                    polls += 1;
                    if polls > POLLS_AT_ONCE_MAX {
                        let what = format!("{polls} polls without the clock moving");
                        return Stop::Broken(what);
                    }
                    self.poll(id);
                }
                None => {
                    polls = 0;
                    match self.jump(limit) {
                        None => {}
                        Some(stop) => return stop,
                    }
                }
            }
        }
    }

    fn next_ready(&self) -> Option<u64> {
        let mut state = lock(&self.state);
        let mut ready = lock(&self.ready);
        if ready.order.is_empty() {
            return None;
        }
        let index = state.dice.below(ready.order.len() as u64) as usize;
        let id = ready.order.swap_remove(index);
        ready.members.remove(&id);
        Some(id)
    }

    fn poll(&self, id: u64) {
        let mut state = lock(&self.state);
        let Some(pid) = state.tasks.get(&id).map(|task| task.pid) else {
            return;
        };
        if let Some(process) = state.processes.get_mut(&pid)
            && process.paused_until.is_some()
        {
            process.held_back.push(id);
            return;
        }
        let Some(task) = state.tasks.get_mut(&id) else {
            return;
        };
        let waker = task.waker.clone();
        let Some(mut future) = task.future.take() else {
            return;
        };
        drop(state);
        let mut cx = Context::from_waker(&waker);
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut cx)));
        let mut state = lock(&self.state);
        match polled {
            Ok(Poll::Pending) => {
                if let Some(task) = state.tasks.get_mut(&id) {
                    task.future = Some(future);
                    drop(state);
                } else {
                    // It was aborted, or its process killed, while it ran.
                    drop(state);
                    drop(future);
                }
            }
            Ok(Poll::Ready(())) => {
                let task = state.tasks.remove(&id);
                drop(state);
                drop((task, future));
            }
            Err(panic) => {
                state.tasks.remove(&id);
                let message = headwater_core::error::panic_message(panic.as_ref());
                state.broken = Some(format!("a task of process {pid} panicked: {message}"));
            }
        }
        self.count_poll(pid);
    }

    fn count_poll(&self, pid: Pid) {
        let mut state = lock(&self.state);
        let dies = match state.processes.get_mut(&pid).map(|p| &mut p.polls_to_live) {
            Some(Some(0)) => true,
            Some(Some(left)) => {
                *left -= 1;
                false
            }
            _ => false,
        };
        drop(state);
        if dies {
            self.kill(pid);
        }
    }

    /// Let the clock jump to what is due next.
    fn jump(&self, limit: Duration) -> Option<Stop> {
        let mut state = lock(&self.state);
        let Some((at, _)) = state.timers.keys().next().copied() else {
            return Some(Stop::Dead);
        };
        if at > limit {
            state.now = state.now.max(limit);
            return Some(Stop::TimeUp);
        }
        state.now = state.now.max(at);
        while let Some(entry) = state.timers.first_entry() {
            if entry.key().0 > at {
                break;
            }
            entry.remove().wake();
        }
        None
    }
}

/// Made by [`World::sleep`].
pub struct Sleep {
    world: Arc<World>,
    key: (Duration, u64),
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.world.state);
        if state.now >= self.key.0 {
            state.timers.remove(&self.key);
            return Poll::Ready(());
        }
        state.timers.insert(self.key, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        lock(&self.world.state).timers.remove(&self.key);
    }
}
