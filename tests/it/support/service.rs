//! The real binary, running as a child process: started, asked, killed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Polls `condition` until it holds.
///
/// # Panics
/// After `limit`, naming `what`.
pub fn eventually<T>(what: &str, limit: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A running `inventory-store serve`. Dropped = killed.
pub struct Service {
    child: Child,
    pub url: String,
    agent: ureq::Agent,
    log: PathBuf,
}

/// What a process used, from the operating system's account of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Used {
    pub cpu_seconds: f64,
    pub peak_rss_bytes: u64,
}

impl Service {
    /// Starts `serve` on `data_dir` with a free port and waits until it answers. `settings` are environment
    /// variables such as `INVENTORY_STORE__KAFKA__BOOTSTRAP_SERVERS`.
    pub fn start(data_dir: &Path, settings: &[(&str, &str)]) -> Self {
        let mut service = Self::spawn(data_dir, settings);
        service.url = eventually("the service names its address", Duration::from_secs(60), || {
            if let Some(status) = service.child.try_wait().expect("the child's status") {
                panic!("serve ended with {status}:\n{}", service.log());
            }
            let owner = std::fs::read_to_string(data_dir.join("LOCK")).ok()?;
            let begin = owner.find("http://")?;
            let url: String =
                owner[begin..].chars().take_while(|c| !c.is_whitespace() && *c != '"').collect();
            service.agent.get(format!("{url}/health/live")).call().ok().map(|_| url)
        });
        service
    }

    /// Starts it as [`Self::start`] does, and waits for nothing: where it answers is not known.
    pub fn spawn(data_dir: &Path, settings: &[(&str, &str)]) -> Self {
        std::fs::create_dir_all(data_dir).expect("the data directory");
        // What an earlier process left must not be taken for this one's address.
        let _ = std::fs::remove_file(data_dir.join("LOCK"));
        let log = data_dir.with_extension("serve.log");
        let stderr = File::options().create(true).append(true).open(&log).expect("the service's log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_inventory-store"));
        command.env_remove("KAFKA_BOOTSTRAP_SERVERS");
        let child = command
            .args(["serve", "--http", "127.0.0.1:0", "--data-dir"])
            .arg(data_dir)
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .expect("the binary starts");
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let agent = config.timeout_global(Some(Duration::from_secs(60))).build().new_agent();
        Self { child, url: String::new(), agent, log }
    }

    /// Whether the process is gone.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("the child's status").is_some()
    }

    /// What it has written to standard error so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Status and JSON body of a GET; null where the body is no JSON.
    pub fn get(&self, path: &str) -> (u16, Value) {
        let mut answer = self.agent.get(format!("{}{path}", self.url)).call().expect("an answer");
        let status = answer.status().as_u16();
        (status, answer.body_mut().read_json().unwrap_or(Value::Null))
    }

    /// The items of `GET /partitions`; none while they cannot be had.
    pub fn partitions(&self) -> Vec<Value> {
        let answer = self.agent.get(format!("{}/partitions", self.url)).call();
        let body: Option<Value> = answer.ok().and_then(|mut answer| answer.body_mut().read_json().ok());
        body.and_then(|body| body["items"].as_array().cloned()).unwrap_or_default()
    }

    /// `GET /metrics`.
    pub fn metrics(&self) -> String {
        let mut answer = self.agent.get(format!("{}/metrics", self.url)).call().expect("an answer");
        answer.body_mut().read_to_string().expect("text")
    }

    /// How many offsets the partitions have passed, all together.
    pub fn passed(&self) -> u64 {
        self.partitions().iter().filter_map(|partition| partition["next"].as_u64()).sum()
    }

    /// Waits until so many offsets are passed, and every partition is live and level. For whoever has just
    /// written: the log's end as the service shows it may be a second old, and level with that is not yet level.
    pub fn wait_until_passed(&self, offsets: u64, limit: Duration) {
        eventually("every event is applied", limit, || (self.passed() >= offsets).then_some(()));
        self.wait_until_level(limit);
    }

    /// Waits until every partition is live and level with the log as it was a second ago: all that was in it
    /// when the service started. See [`Self::wait_until_passed`].
    pub fn wait_until_level(&self, limit: Duration) {
        eventually("every partition is live and level with the log", limit, || {
            let partitions = self.partitions();
            let level = |p: &Value| p["state"] == "live" && p["lag_events"] == 0;
            (!partitions.is_empty() && partitions.iter().all(level)).then_some(())
        });
    }

    /// SIGKILL, and what it had used by then.
    pub fn kill(mut self) -> Used {
        let used = self.used();
        self.child.kill().expect("kill -9");
        self.child.wait().expect("the child is gone");
        used
    }

    fn signal(&self, signal: libc::c_int) {
        let pid = libc::pid_t::try_from(self.child.id()).expect("a process id");
        // SAFETY: a signal to our own child, which has not been waited for yet.
        #[allow(unsafe_code)]
        unsafe {
            libc::kill(pid, signal);
        }
    }

    /// SIGSTOP: it stands still, and its connections stay open, until [`Self::wake`].
    pub fn freeze(&self) {
        self.signal(libc::SIGSTOP);
    }

    /// SIGCONT.
    pub fn wake(&self) {
        self.signal(libc::SIGCONT);
    }

    /// SIGTERM, and the exit status.
    pub fn terminate(mut self) -> Option<i32> {
        self.signal(libc::SIGTERM);
        eventually("the service stops on SIGTERM", Duration::from_secs(60), || {
            self.child.try_wait().expect("the child's status")
        })
        .code()
    }

    /// CPU time and peak memory so far.
    pub fn used(&self) -> Used {
        let proc = PathBuf::from(format!("/proc/{}", self.child.id()));
        let status = std::fs::read_to_string(proc.join("status")).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
        let kib: u64 = peak.trim().trim_end_matches(" kB").trim().parse().unwrap_or(0);
        let stat = std::fs::read_to_string(proc.join("stat")).unwrap_or_default();
        // The fields after the command's name in parentheses; the 12th and 13th of them are user and system
        // time, in hundredths of a second.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |n: usize| fields.get(n).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
        Used { cpu_seconds: (ticks(11) + ticks(12)) / 100.0, peak_rss_bytes: kib * 1024 }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
