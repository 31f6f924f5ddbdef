//! This test binary run again as a child process, for tests that kill it or look at its memory.
//!
//! A test that wants a child asks [`role`] first: in the parent it is nothing, and the parent calls [`again`]
//! with its own name.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

const ROLE: &str = "INVENTORY_STORE_TEST_CHILD";

/// What the parent told this process to do; nothing in the parent.
pub fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

/// In the child: says a figure to the parent, which reads it with [`Process::line`].
#[expect(clippy::print_stdout, reason = "its output is how a child talks to its parent")]
pub fn tell(name: &str, figure: u64) {
    println!("{name} {figure}");
}

/// A child that runs only the test `name` (its path, as `cargo test` lists it), told `role`.
pub fn again(name: &str, role: &str) -> Process {
    let mut child = Command::new(std::env::current_exe().expect("this binary"))
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env(ROLE, role)
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child process");
    let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    Process { child, lines }
}

pub struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// The next line that begins with `prefix`, without it; nothing when the child is gone.
    pub fn line(&mut self, prefix: &str) -> Option<String> {
        self.lines.by_ref().map_while(Result::ok).find_map(|line| {
            // The harness writes the test's name before what the test prints first.
            line.split_once(prefix).map(|(_, rest)| rest.to_owned())
        })
    }

    /// Kills it as a power switch would, as far as a process can be: no destructor runs.
    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }

    /// Waits for its end, which must be a success.
    pub fn finish(mut self) {
        for _ in self.lines.by_ref().map_while(Result::ok) {}
        let status = self.child.wait().expect("gone");
        assert!(status.success(), "the child failed: {status}");
    }
}
