//! A child process that dies at a failpoint. The child is this test binary, run for one test.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::broker::dies_with_its_parent;

/// Runs the test `name` as a child told `role`, which must die the first time it passes the failpoint after
/// `passed` times; then again, undisturbed, to its end.
///
/// # Panics
/// Where the failpoint was not hit, or the child failed in any other way.
pub fn killed_at(name: &str, role: &str, point: &str, passed: usize) {
    killed(name, role, point, passed);
    undisturbed(name, role);
}

/// Only until it dies.
///
/// # Panics
/// Where the failpoint was not hit.
pub fn killed(name: &str, role: &str, point: &str, passed: usize) {
    let dying = match passed {
        0 => format!("{point}=1*return"),
        passed => format!("{point}={passed}*off->1*return"),
    };
    let (told, succeeded) = child(name, role, &dying);
    let hit = told.iter().any(|line| line.contains(&format!("failpoint {point} hit")));
    assert!(hit && !succeeded, "{point} after {passed} was not hit: {told:?}");
}

/// To its end, which must be a good one.
pub fn undisturbed(name: &str, role: &str) {
    let (told, succeeded) = child(name, role, "");
    assert!(succeeded, "{told:?}");
}

/// What it told, and whether it ended well.
fn child(name: &str, role: &str, failpoints: &str) -> (Vec<String>, bool) {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env("INVENTORY_STORE_TEST_CHILD", role)
        .env("FAILPOINTS", failpoints)
        .stderr(Stdio::piped())
        .stdout(Stdio::null());
    dies_with_its_parent(&mut command);
    let mut running = command.spawn().expect("a child");
    let lines = BufReader::new(running.stderr.take().expect("its errors")).lines().map_while(Result::ok);
    let told: Vec<String> = lines.collect();
    (told, running.wait().expect("gone").success())
}
