//! The suite on the embedded log.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use inventory_store::config::LogConfig;
use inventory_store::config::log::Fsync;
use inventory_store::log::Log;
use inventory_store::log::embedded::EmbeddedLog;
use inventory_store::types::{NextOffset, Partition, Timestamp, Topic};

use super::harness::Harness;
use super::writer::{self, Ack};

const PARTITIONS: u16 = 3;
const CHILD_DIRECTORY: &str = "INVENTORY_STORE_TEST_LOG";
const CHILD_SEED: &str = "INVENTORY_STORE_TEST_SEED";
/// Ends the writer by itself after so many acknowledgements.
pub const STOP_AFTER: &str = "INVENTORY_STORE_TEST_STOP_AFTER";
/// Has the writer's log acknowledge before the disk has it.
pub const RELAXED: &str = "INVENTORY_STORE_TEST_RELAXED";

super::conformance!(Embedded::new());

/// Small enough that flushes and new files of the database's log happen within a test.
pub fn config() -> LogConfig {
    LogConfig {
        partitions: PARTITIONS,
        max_record_bytes: 64 << 10,
        write_buffer_bytes: 256 << 10,
        ..LogConfig::default()
    }
}

struct Embedded {
    directory: tempfile::TempDir,
    log: Option<Arc<EmbeddedLog>>,
}

impl Embedded {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let log = Some(EmbeddedLog::open(directory.path(), &config()).expect("opens"));
        Self { directory, log }
    }

    fn open(&self) -> &Arc<EmbeddedLog> {
        self.log.as_ref().expect("open")
    }

    fn start(&mut self) {
        self.log = Some(EmbeddedLog::open(self.directory.path(), &config()).expect("opens again"));
    }
}

impl Harness for Embedded {
    fn log(&self) -> Arc<dyn Log> {
        self.open().clone()
    }

    fn partitions(&self) -> u16 {
        PARTITIONS
    }

    fn max_record_bytes(&self) -> usize {
        config().max_record_bytes
    }

    fn drop_below(&self, topic: Topic, partition: Partition, before: NextOffset) {
        self.open().truncate(topic, partition, before).expect("drops");
    }

    fn compact(&self) {
        self.open().compact(Timestamp(1_700_000_000_000)).expect("compacts");
    }

    fn stop_and_start(&mut self) {
        self.log = None;
        self.start();
    }

    fn kill_while_writing(&mut self, seed: u64, acks: usize) -> Vec<Ack> {
        self.log = None;
        let mut child = spawn_writer(self.directory.path(), seed);
        let acknowledged = kill_after(&mut child, acks);
        self.start();
        acknowledged
    }
}

/// This test binary again, as the process that writes to the log until it is killed.
pub fn spawn_writer(directory: &Path, seed: u64) -> Child {
    writer_command(directory, seed).stdout(Stdio::piped()).spawn().expect("starts")
}

pub fn writer_command(directory: &Path, seed: u64) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command
        .args(["conformance::embedded::writes_when_told_to", "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD_DIRECTORY, directory)
        .env(CHILD_SEED, seed.to_string());
    command
}

/// Kills the writer with SIGKILL after so many acknowledgements; gives all that it told.
pub fn kill_after(child: &mut Child, acks: usize) -> Vec<Ack> {
    let mut acknowledged = Vec::new();
    let mut killed = false;
    for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
        acknowledged.extend(Ack::parse(&line.expect("text")));
        if acknowledged.len() >= acks && !killed {
            child.kill().expect("killed");
            killed = true;
        }
    }
    child.wait().expect("ended");
    acknowledged
}

/// Not a test of its own: the body of the process that [`spawn_writer`] starts.
#[test]
fn writes_when_told_to() {
    let Some(directory) = std::env::var_os(CHILD_DIRECTORY).map(PathBuf::from) else { return };
    let seed = std::env::var(CHILD_SEED).expect("a seed").parse().expect("a number");
    let stop_after = std::env::var(STOP_AFTER).map_or(usize::MAX, |acks| acks.parse().expect("a number"));
    let relaxed = std::env::var_os(RELAXED).is_some();
    let fsync = if relaxed { Fsync::Interval } else { Fsync::Always };
    let log = EmbeddedLog::open(&directory, &LogConfig { fsync, fsync_interval_ms: 3_600_000, ..config() });
    let log = log.expect("opens");
    let mut out = std::io::stdout().lock();
    writeln!(out).expect("told");
    let mut told = 0;
    writer::write(&*log, seed, PARTITIONS, |acks| {
        let lines: String = acks.iter().map(|ack| ack.to_line() + "\n").collect();
        told += acks.len();
        out.write_all(lines.as_bytes()).and_then(|()| out.flush()).is_ok() && told < stop_after
    });
}
