//! What every benchmark needs: CPU and wall time, the machine's description, and figures kept as JSON.
//!
//! A shared machine makes wall time a matter of luck. CPU time of the thread or process that does the work is
//! what is compared; wall time stands beside it.

#![allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "each benchmark takes its part"
)]

use std::path::PathBuf;
use std::time::Instant;

use serde_json::{Value, json};

/// Which of a benchmark's parts are to be measured.
pub struct Parts(Option<String>);

impl Parts {
    /// `INVENTORY_STORE_BENCH_ONLY` names the only one of `names`, where it is set.
    pub fn of(names: &[&str]) -> Self {
        let only = std::env::var("INVENTORY_STORE_BENCH_ONLY").ok().filter(|only| !only.is_empty());
        if let Some(only) = &only {
            assert!(names.contains(&only.as_str()), "INVENTORY_STORE_BENCH_ONLY={only}: there are {names:?}");
        }
        Self(only)
    }

    pub fn has(&self, part: &str) -> bool {
        self.0.as_ref().is_none_or(|only| only == part)
    }
}

/// Whether the long form was asked for.
pub fn full() -> bool {
    std::env::var("INVENTORY_STORE_BENCH_FULL").is_ok_and(|full| full == "1")
}

/// Whose CPU time counts.
#[derive(Clone, Copy)]
pub enum Of {
    Thread,
    Process,
}

/// Wall and CPU time since it was made.
pub struct Stopwatch {
    of: Of,
    wall: Instant,
    cpu: f64,
}

/// Seconds.
#[derive(Clone, Copy)]
pub struct Used {
    pub wall: f64,
    pub cpu: f64,
}

impl Stopwatch {
    pub fn start(of: Of) -> Self {
        Self { of, cpu: cpu_seconds(of), wall: Instant::now() }
    }

    pub fn stop(&self) -> Used {
        Used { wall: self.wall.elapsed().as_secs_f64(), cpu: cpu_seconds(self.of) - self.cpu }
    }
}

impl Used {
    pub fn wall_nanos(self, of: usize) -> f64 {
        self.wall * 1e9 / of as f64
    }

    pub fn cpu_nanos(self, of: usize) -> f64 {
        self.cpu * 1e9 / of as f64
    }
}

/// User and system time so far, in seconds.
#[allow(unsafe_code)]
pub fn cpu_seconds(of: Of) -> f64 {
    let clock = match of {
        Of::Thread => libc::CLOCK_THREAD_CPUTIME_ID,
        Of::Process => libc::CLOCK_PROCESS_CPUTIME_ID,
    };
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is ours to be written.
    let done = unsafe { libc::clock_gettime(clock, &mut time) };
    assert_eq!(done, 0, "a CPU clock");
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Memory of this process now and at its peak, in bytes.
pub fn resident() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let of = |name: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of /proc");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
    };
    (of("VmRSS:"), of("VmHWM:"))
}

/// Where the median of several rounds lies; they are sorted by it.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// What the figures were measured on.
pub fn machine() -> Value {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map_or("", |(_, value)| value.trim()).to_owned()
    };
    let cpu = read("/proc/cpuinfo");
    let (family, model) = (field(&cpu, "cpu family"), field(&cpu, "model\t"));
    json!({
        "cpu": format!("{} (family {family}, model {model}, {} MHz)", field(&cpu, "model name"), field(&cpu, "cpu MHz")),
        "cores": std::thread::available_parallelism().map_or(1, usize::from),
        "memory": field(&read("/proc/meminfo"), "MemTotal"),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "load_before": read("/proc/loadavg").split_whitespace().next().unwrap_or_default(),
    })
}

/// One line about the machine.
pub fn describe(machine: &Value) -> String {
    let text = |name: &str| machine[name].as_str().unwrap_or_default().to_owned();
    format!(
        "{} cores of {}; {}; kernel {}; load {} before",
        machine["cores"],
        text("cpu"),
        text("memory"),
        text("kernel"),
        text("load_before")
    )
}

/// Writes the figures of a benchmark to `target/bench/NAME.json`.
pub fn keep(name: &str, machine: &Value, figures: &Value) {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/bench");
    std::fs::create_dir_all(&directory).expect("target/bench");
    let all = json!({ "bench": name, "full": full(), "machine": machine, "figures": figures });
    let bytes = serde_json::to_vec_pretty(&all).expect("JSON");
    std::fs::write(directory.join(format!("{name}.json")), bytes).expect("the file of figures");
}
