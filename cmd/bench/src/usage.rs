//! CPU time and memory of the processes, from `/proc`.

use std::ops::{Index, IndexMut};

/// One of the processes of the bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Process {
    Server,
    Engine,
    Worker,
    Driver,
}

/// All of them, with what they are called.
pub(crate) const PROCESSES: [(Process, &str); 4] = [
    (Process::Server, "server"),
    (Process::Engine, "engine"),
    (Process::Worker, "worker"),
    (Process::Driver, "driver"),
];

/// Something of each process; none: it does not run, or the system does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Each<T>([Option<T>; PROCESSES.len()]);

/// Process ids; the servers of a cluster are told as one.
pub(crate) type Pids = Each<Group>;

/// Servers of a cluster at the most.
const GROUP_MAX: usize = 3;

/// Processes of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Group([Option<u32>; GROUP_MAX]);

impl Group {
    /// None if there are none. More than [`GROUP_MAX`] are left out.
    pub(crate) fn of(pids: impl IntoIterator<Item = u32>) -> Option<Self> {
        let mut pids = pids.into_iter().peekable();
        pids.peek()?;
        Some(Self(std::array::from_fn(|_| pids.next())))
    }

    fn sum(self, read: impl Fn(u32) -> Option<f64>) -> Option<f64> {
        self.0.into_iter().flatten().map(read).sum()
    }
}

impl<T> Index<Process> for Each<T> {
    type Output = Option<T>;
    fn index(&self, process: Process) -> &Option<T> {
        &self.0[process as usize]
    }
}

impl<T> IndexMut<Process> for Each<T> {
    fn index_mut(&mut self, process: Process) -> &mut Option<T> {
        &mut self.0[process as usize]
    }
}

impl<T: Copy> Each<T> {
    fn and_then<U>(self, read: impl Fn(T) -> Option<U>) -> Each<U> {
        Each(self.0.map(|value| value.and_then(&read)))
    }

    /// One value a process from those of several runs.
    pub(crate) fn merge(all: &[Self], merge: impl Fn(&mut [T]) -> Option<T>) -> Self {
        let of = |index: usize| -> Vec<T> { all.iter().filter_map(|each| each.0[index]).collect() };
        Each(std::array::from_fn(|index| merge(&mut of(index))))
    }
}

impl Each<f64> {
    /// What came in between.
    pub(crate) fn since(self, before: Self) -> Self {
        Each(std::array::from_fn(|index| {
            Some(self.0[index]? - before.0[index]?)
        }))
    }

    /// As `1.2/0.3/-/0.9`, in the order of [`PROCESSES`].
    pub(crate) fn display(&self, decimals: usize) -> String {
        let each = self.0.map(|value| match value {
            Some(value) => format!("{value:.decimals$}"),
            None => "-".to_owned(),
        });
        each.join("/")
    }
}

impl serde::Serialize for Each<f64> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(PROCESSES.map(|(process, name)| (name, self[process])))
    }
}

impl Pids {
    /// CPU time so far, in seconds.
    pub(crate) fn cpu_seconds(self) -> Each<f64> {
        self.and_then(|group| group.sum(cpu_seconds))
    }

    /// Most memory since [`Pids::reset_peaks`], in MB.
    pub(crate) fn peak_mb(self) -> Each<f64> {
        self.and_then(|group| group.sum(peak_mb))
    }

    /// Memory in use now, in MB.
    pub(crate) fn now_mb(self) -> Each<f64> {
        self.and_then(|group| group.sum(now_mb))
    }

    /// Forget peaks of memory, as far as the kernel allows it; else they are those since the start.
    pub(crate) fn reset_peaks(self) {
        let groups = self.0.into_iter().flatten();
        for pid in groups.flat_map(|group| group.0).flatten() {
            let _ = std::fs::write(format!("/proc/{pid}/clear_refs"), "5");
        }
    }
}

fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    parse_cpu_ticks(&stat).map(|ticks| ticks / rustix::param::clock_ticks_per_second() as f64)
}

/// User and system time of a `stat` file.
fn parse_cpu_ticks(stat: &str) -> Option<f64> {
    // The name, in brackets, can hold anything; what follows begins with field 3, the state.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_ascii_whitespace().skip(14 - 3);
    let mut next = || times.next()?.parse::<f64>().ok();
    Some(next()? + next()?)
}

fn peak_mb(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    parse_mb(&status, "VmHWM:")
}

fn now_mb(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    parse_mb(&status, "VmRSS:")
}

/// A size of a `status` file.
fn parse_mb(status: &str, field: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kilobytes: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024.0 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_read() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 1 2 3 4 120 30 5 6 20 0";
        assert_eq!(parse_cpu_ticks(stat), Some(150.0));
        assert_eq!(
            parse_mb("VmPeak:\t 9 kB\nVmHWM:\t    2000 kB\n", "VmHWM:"),
            Some(2.048)
        );
        assert_eq!(parse_mb("", "VmRSS:"), None);
    }

    #[test]
    fn this_process_has_used_memory() {
        let mut pids = Pids::default();
        pids[Process::Driver] = Group::of([std::process::id()]);
        assert!(pids.peak_mb()[Process::Driver].unwrap() > 0.1);
        assert!(pids.now_mb()[Process::Driver].unwrap() > 0.1);
        assert!(pids.cpu_seconds()[Process::Driver].is_some());
        assert_eq!(pids.cpu_seconds()[Process::Server], None);
    }
}
