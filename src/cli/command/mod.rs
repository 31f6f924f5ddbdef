//! `command`: one request to change a SKU's stock, through a running service.

mod request;

use clap::{Args as ClapArgs, Subcommand};
use serde_json::{Map, Value, json};

use super::client::{Answer, Client, DEFAULT_URL, TokenArgs};
use super::exit::{Failure, Status};
use super::get::cell;
use super::output::Output;
use super::settings::CommonArgs;
use super::table::shown;
use crate::domain::event::TYPE_PREFIX;
use crate::types::{Sku, UtcTime};
use request::{Adjust, Allocate, ChangeStatus, Deallocate, Pick, PlaceHold, Receive, ReleaseHold, Set};

/// Ask for a change of stock: receive, adjust, set, allocate, deallocate, pick, status, hold, release.
///
/// Prints the outcome. Status 0: accepted; 1: refused; 3: not decided in time, or unreachable. A command is
/// named by SKU, source and id: sent again under the same name it changes nothing and has the same outcome.
#[derive(ClapArgs)]
#[command(after_help = "\
Examples:
  inventory-store command receive SKU-1 --quantity 100 --location-id A-01
  inventory-store command allocate SKU-1 --quantity 3 --allocation-id ORD-1 --id order-1
  inventory-store command pick SKU-1 --quantity 3 --allocation-id ORD-1
  inventory-store command adjust SKU-1 --quantity-change -2 --reason DAMAGE --expected-version 7
  inventory-store command status SKU-1 --quantity 5 --from AVAILABLE --to DAMAGED --reason dropped")]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

/// What every command takes beside its data.
#[derive(ClapArgs)]
struct Envelope {
    /// Of which SKU.
    sku: Sku,
    /// Names the command; without it a new one is made.
    #[arg(long)]
    id: Option<String>,
    /// Who asks, a URI reference.
    #[arg(long, default_value = "/inventory-store/cli")]
    source: String,
    /// Only if the SKU is at this version; else the command is refused.
    #[arg(long, value_name = "VERSION")]
    expected_version: Option<u64>,
    /// Only if it is decided by then (RFC 3339); else the command is refused.
    #[arg(long, value_name = "TIME")]
    expiry_time: Option<UtcTime>,
    /// Do not wait for the outcome: done once the command is in the log.
    #[arg(long = "async")]
    is_async: bool,
    /// The HTTP body instead of lines.
    #[arg(long)]
    json: bool,
    /// The running service to ask.
    #[arg(long, value_name = "URL", default_value = DEFAULT_URL)]
    url: String,
    #[command(flatten)]
    token: TokenArgs,
}

macro_rules! verbs {
    ($($(#[$doc:meta])* $variant:ident($data:ty) = $name:literal, $example:literal;)*) => {
        #[derive(Subcommand)]
        enum Verb {
            $(
                $(#[$doc])*
                #[command(after_help = concat!("Examples:\n  inventory-store command ", $example))]
                $variant {
                    #[command(flatten)]
                    envelope: Envelope,
                    #[command(flatten)]
                    data: $data,
                },
            )*
        }

        impl Verb {
            /// The type's name, its data, and the rest.
            fn parts(self) -> (&'static str, Map<String, Value>, Envelope) {
                match self {
                    $(Self::$variant { envelope, data } => ($name, data.data(), envelope),)*
                }
            }
        }
    };
}

verbs! {
    /// Units that arrive.
    Receive(Receive) = "product-stock.receive", "receive SKU-1 --quantity 100";
    /// More or fewer units than were known of.
    Adjust(Adjust) = "product-stock.adjust", "adjust SKU-1 --quantity-change -2 --reason DAMAGE";
    /// A count: so many are there.
    Set(Set) = "product-stock.set", "set SKU-1 --quantity 98 --reason CYCLE_COUNT";
    /// Promise units to an order.
    Allocate(Allocate) = "product-stock.allocate", "allocate SKU-1 --quantity 3 --allocation-id ORD-1";
    /// Take a promise back.
    Deallocate(Deallocate) = "product-stock.deallocate", "deallocate SKU-1 --allocation-id ORD-1";
    /// Promised units leave.
    Pick(Pick) = "product-stock.pick", "pick SKU-1 --quantity 3 --allocation-id ORD-1";
    /// Move units from one status to another.
    Status(ChangeStatus) = "stock-status.change", "status SKU-1 --quantity 5 --from AVAILABLE --to DAMAGED --reason dropped";
    /// Block units under a name.
    Hold(PlaceHold) = "inventory-hold.place", "hold SKU-1 --hold-id H1 --hold-type QUALITY_HOLD --quantity 5 --reason inspection";
    /// End a hold, or part of it.
    Release(ReleaseHold) = "inventory-hold.release", "release SKU-1 --hold-id H1 --released-by ana";
}

pub fn run(common: &CommonArgs, args: Args) -> Result<Status, Failure> {
    common.load(Vec::new())?;
    let (name, data, envelope) = args.verb.parts();
    let command = cloud_event(name, data, &envelope);
    let client = Client::new(&envelope.url, &envelope.token)?;
    let prefer = if envelope.is_async { "respond-async" } else { "" };
    let answer = client.post_preferring(
        "/commands",
        "application/cloudevents+json",
        prefer,
        command.to_string().as_bytes(),
    )?;
    let outcome = match answer.status {
        200 | 202 | 409 | 412 | 422 => body(&answer)?,
        _ => return Err(answer.into_failure()),
    };
    let mut out = Output::new();
    if envelope.json {
        out.line(String::from_utf8_lossy(&answer.body))?;
    } else {
        for line in for_people(&outcome) {
            out.line(line)?;
        }
    }
    out.flush()?;
    match answer.status {
        200 => Ok(Status::Done),
        202 if envelope.is_async => Ok(Status::Done),
        202 => {
            let text = "the command is in the log and was not decided in time; the same again under the same --id tells its outcome";
            Err(Failure::text(Status::Unreachable, text))
        }
        _ => Ok(Status::Refused),
    }
}

/// The outcome; a body that has none (a proxy's own 409, say) is a failure.
fn body(answer: &Answer) -> Result<Value, Failure> {
    let body: Value = serde_json::from_slice(&answer.body)?;
    if body.get("outcome").is_some() {
        return Ok(body);
    }
    Err(Failure::text(Status::Refused, format!("no outcome: {}", answer.problem())))
}

fn cloud_event(name: &str, data: Map<String, Value>, envelope: &Envelope) -> Value {
    let mut event = json!({
        "specversion": "1.0",
        "id": envelope.id.clone().unwrap_or_else(fresh),
        "source": envelope.source,
        "type": format!("{TYPE_PREFIX}{name}"),
        "subject": envelope.sku.as_str(),
        "datacontenttype": "application/json",
        "data": data,
    });
    if let Some(event) = event.as_object_mut() {
        let version = envelope.expected_version.map(|version| version.to_string());
        event.extend(version.map(|version| ("expectedversion".to_owned(), version.into())));
        let expiry = envelope.expiry_time.map(|time| time.to_string());
        event.extend(expiry.map(|time| ("expirytime".to_owned(), time.into())));
    }
    event
}

#[expect(clippy::disallowed_methods, reason = "an edge: a command without an id is meant once")]
fn fresh() -> String {
    uuid::Uuid::new_v4().to_string()
}

fn for_people(outcome: &Value) -> Vec<String> {
    let field = |name: &str| cell(outcome.get(name));
    let mut lines = match outcome.get("outcome").and_then(Value::as_str) {
        Some("accepted") => vec![format!("accepted: {} is at version {}", field("sku"), field("version"))],
        Some("pending") => vec![format!("pending: in the log at {}", field("command_position"))],
        _ => refused(outcome),
    };
    lines.push(format!("id {}", field("command_id")));
    let positions = outcome.get("positions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if !positions.is_empty() {
        let positions: Vec<String> = positions.iter().map(|position| cell(Some(position))).collect();
        lines.push(format!("events at {}", positions.join(" ")));
    }
    if outcome.get("at_least").is_some_and(Value::is_string) {
        lines.push(format!("seen by --at-least {}", field("at_least")));
    }
    lines
}

fn refused(outcome: &Value) -> Vec<String> {
    let field = |name: &str| cell(outcome.get(name));
    let mut lines = vec![format!("refused: {} ({})", field("message"), field("code"))];
    let details = outcome.get("details").and_then(Value::as_object);
    lines.extend(
        details.into_iter().flatten().map(|(name, value)| format!("  {} {}", shown(name), cell(Some(value)))),
    );
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outcome_says_what_came_of_it_and_how_to_read_it() {
        let accepted = json!({"outcome":"accepted","sku":"S","version":3,"command_id":"c-1","positions":["3:7","3:8"],"at_least":"3:8"});
        assert_eq!(
            for_people(&accepted),
            ["accepted: S is at version 3", "id c-1", "events at 3:7 3:8", "seen by --at-least 3:8"]
        );
        let refused = json!({"outcome":"rejected","sku":"S","code":"INSUFFICIENT_STOCK","message":"5 asked\u{1b}, 2 there",
            "details":{"available":2,"requested":5},"command_id":"c-1","positions":[],"at_least":null});
        assert_eq!(
            for_people(&refused),
            [
                "refused: 5 asked\\u{1b}, 2 there (INSUFFICIENT_STOCK)",
                "  available 2",
                "  requested 5",
                "id c-1"
            ]
        );
        let pending = json!({"outcome":"pending","command_id":"c-1","command_position":"3:9","positions":[],"at_least":null});
        assert_eq!(for_people(&pending), ["pending: in the log at 3:9", "id c-1"]);
    }
}
