//! A job done by a running service: started, watched and, on Ctrl-C, cancelled from here.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::client::Client;
use super::exit::{Failure, Status};
use super::job_lines;
use super::output::{Output, to_stderr};
use super::progress::Progress;
use super::signals;
use crate::jobs::{Class, Request};

/// Between two looks at how far it is.
const EVERY: Duration = Duration::from_millis(200);
/// How long a service may be out of reach before this gives up watching; the job goes on there.
const OUT_OF_REACH: Duration = Duration::from_secs(30);

/// Has the service do it, and shows what came of it. On the first Ctrl-C the job is cancelled; what it made so
/// far stays, and the same again goes on with it.
pub fn run(client: &Client, request: &Request, as_json: bool) -> Result<Status, Failure> {
    let stop = signals::flag()?;
    let body = serde_json::to_vec(request)?;
    let started = client.post("/jobs", "application/json", &body)?;
    if started.status == 400 {
        return Err(Failure::text(Status::Usage, started.problem()));
    }
    let mut job: Value = serde_json::from_slice(&started.success()?)?;
    let id = job.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
    let path = format!("/jobs/{id}");
    let progress = Progress::new(request.kind());
    let (mut cancelled, mut reached) = (false, Instant::now());
    while job.get("state").and_then(Value::as_str) == Some("running") {
        show(&progress, &job);
        std::thread::park_timeout(EVERY);
        if stop.load(Ordering::Relaxed) && !cancelled {
            client.delete(&path)?.success()?;
            cancelled = true;
        }
        match client.get(&path) {
            Ok(answer) if answer.status == 200 => {
                job = serde_json::from_slice(&answer.success()?)?;
                reached = Instant::now();
            }
            Ok(answer) if answer.status < 500 => return Err(answer.into_failure()),
            Ok(answer) if reached.elapsed() > OUT_OF_REACH => return Err(answer.into_failure()),
            Err(failure) if reached.elapsed() > OUT_OF_REACH => return Err(failure),
            Ok(_) | Err(_) => {}
        }
    }
    progress.end();
    print(&job, as_json)
}

fn show(progress: &Progress, job: &Value) {
    let Some(now) = job.get("progress").filter(|now| now.is_object()) else { return };
    let number = |name: &str| now.get(name).and_then(Value::as_u64).unwrap_or(0);
    let phase = now.get("phase").and_then(Value::as_str).unwrap_or_default();
    progress.show(&super::table::shown(phase), number("done"), number("total"));
}

/// Data to stdout, and the status that the same verb would end with here.
fn print(job: &Value, as_json: bool) -> Result<Status, Failure> {
    let nothing = Value::Null;
    let summary = job.get("summary").unwrap_or(&nothing);
    let items = |name: &str| summary.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let differences = summary.get("differences").and_then(Value::as_u64).unwrap_or(0);
    let kind = job.get("kind").and_then(Value::as_str).unwrap_or_default();
    let verifies = kind == "verify";
    let mut out = Output::new();
    for row in items("listed") {
        if as_json { out.json(row)? } else { out.line(job_lines::difference(row))? }
    }
    let unlisted = differences.saturating_sub(items("listed").len() as u64);
    if unlisted > 0 {
        to_stderr(&format!("{unlisted} more rows differ and are not listed\n"));
    }
    let sku = summary.get("sku").filter(|sku| sku.is_object());
    if let Some(sku) = sku {
        if items("partitions").iter().any(|made| made.get("partial") == Some(&Value::Bool(true))) {
            to_stderr("partial: what came before is missing from these numbers\n");
        }
        super::get::print(&mut out, sku.to_string().as_bytes(), as_json)?;
    } else {
        for made in items("partitions") {
            if as_json { out.json(made)? } else { out.line(job_lines::of_kind(kind, made))? }
        }
    }
    out.flush()?;
    if let Some(trouble) = job.get("error").filter(|error| error.is_object()) {
        let class = trouble.get("class").cloned().unwrap_or_default();
        let class: Class = serde_json::from_value(class).unwrap_or(Class::Data);
        let detail = trouble.get("detail").and_then(Value::as_str).unwrap_or_default();
        return Err(Failure::text(class.into(), super::table::shown(detail)));
    }
    Ok(if verifies && differences > 0 { Status::Refused } else { Status::Done })
}
