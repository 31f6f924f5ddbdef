use std::time::Duration;

use axum::http::{HeaderMap, HeaderName};

const PREFER: HeaderName = HeaderName::from_static("prefer");

/// How long the caller will wait for the outcome: `respond-async` not at all, `wait=N` N seconds, and never
/// longer than `most`. Source: RFC 7240.
pub fn wait(headers: &HeaderMap, most: Duration) -> Duration {
    let preferences = headers
        .get_all(PREFER)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split([',', ';']))
        .map(str::trim);
    let (mut at_once, mut seconds) = (false, None);
    for preference in preferences {
        let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
        if name.trim().eq_ignore_ascii_case("respond-async") {
            at_once = true;
        } else if name.trim().eq_ignore_ascii_case("wait") {
            // The first of a name counts; one that cannot be read is none.
            seconds = seconds.or(value.trim().trim_matches('"').parse().ok());
        }
    }
    match seconds {
        Some(seconds) => Duration::from_secs(seconds).min(most),
        None if at_once => Duration::ZERO,
        None => most,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asked_for_the_wait_is_shorter_never_longer() {
        let most = Duration::from_secs(10);
        for (prefer, seconds) in [
            (&[][..], 10),
            (&["respond-async"], 0),
            (&["Respond-Async; foo=1"], 0),
            (&["respond-async, wait=3"], 3),
            (&["wait=3", "wait=5"], 3),
            (&["wait=600"], 10),
            (&["wait=soon"], 10),
            (&["return=minimal"], 10),
        ] {
            let mut headers = HeaderMap::new();
            for value in prefer {
                headers.append(PREFER, value.parse().expect("a value"));
            }
            assert_eq!(wait(&headers, most), Duration::from_secs(seconds), "{prefer:?}");
        }
    }
}
