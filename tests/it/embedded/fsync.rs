//! Acknowledged means on the disk, watched through the system calls: kill -9 keeps the page cache, so no
//! killed process shows a missing fsync.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::conformance::embedded::{RELAXED, STOP_AFTER, writer_command};
use crate::support::left_out::left_out;

const ACKS: usize = 40;

#[test]
fn every_acknowledgement_comes_after_the_sync_of_its_write() {
    let Some(trace) = trace(false) else { return };
    let checked = check(&trace).unwrap_or_else(|wrong| panic!("{wrong}"));
    assert!(checked >= ACKS / 3, "{checked} acknowledgements seen");
}

/// Without the sync the same look must find something, or it proves nothing.
#[test]
fn the_look_at_system_calls_finds_a_missing_sync() {
    let Some(trace) = trace(true) else { return };
    assert!(check(&trace).is_err(), "relaxed syncing looks like strict");
}

/// The system calls of a writer; nothing where they cannot be watched here.
fn trace(relaxed: bool) -> Option<String> {
    let directory = tempfile::tempdir().expect("a directory");
    let out = directory.path().join("trace");
    let writer = writer_command(&directory.path().join("log"), 1);
    let mut strace = Command::new("strace");
    strace
        .args(["-f", "-y", "-s", "8", "-e", "trace=fsync,fdatasync,write,pwrite64,writev,pwritev", "-o"])
        .arg(&out);
    strace.arg(writer.get_program()).args(writer.get_args());
    strace.envs(writer.get_envs().filter_map(|(name, value)| Some((name, value?))));
    strace.env(STOP_AFTER, ACKS.to_string()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if relaxed {
        strace.env(RELAXED, "1");
    }
    let ran = strace.output();
    if let Ok(ran) = &ran
        && ran.status.success()
    {
        return Some(std::fs::read_to_string(out).expect("a trace"));
    }
    let why = ran.map_or_else(|e| e.to_string(), |ran| String::from_utf8_lossy(&ran.stderr).into_owned());
    left_out("watching the embedded log's system calls with strace", &why);
    None
}

/// Walks through the trace; gives how many acknowledgements it saw.
fn check(trace: &str) -> Result<usize, String> {
    let is_wal = |path: &str| Path::new(path).extension().is_some_and(|e| e == "log");
    let mut under_way: HashMap<&str, (&str, &str)> = HashMap::new();
    let (mut written, mut synced, mut marked, mut acks) = (false, false, false, 0);
    for line in trace.lines() {
        let Some((pid, call)) = line.split_once(char::is_whitespace) else { continue };
        let call = call.trim_start();
        let (name, path, text, done) = if let Some(rest) = call.strip_prefix("<... ") {
            let Some((name, path)) = under_way.remove(pid) else { continue };
            (name, path, "", rest.contains("= 0") || !name.contains("sync"))
        } else {
            let Some((name, rest)) = call.split_once('(') else { continue };
            let Some(path) =
                rest.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(path, _)| path)
            else {
                continue;
            };
            let done = !rest.contains("<unfinished");
            if !done {
                under_way.insert(pid, (name, path));
            }
            (name, path, rest, done)
        };
        if text.contains("\"ack ") {
            if !(written && synced && marked) {
                return Err(format!(
                    "acknowledgement {acks}: written {written}, synced {synced}, marked {marked}: {line}"
                ));
            }
            (written, synced, marked) = (false, false, false);
            acks += 1;
        } else if name.contains("sync") {
            synced |= done && is_wal(path) && written;
        } else if name.contains("write") && is_wal(path) {
            (written, synced, marked) = (true, false, false);
        } else if path.ends_with("/MARK") {
            marked = synced;
        }
    }
    Ok(acks)
}
