//! `command`, and commands sent by `publish` and `generate`.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::process::{run, run_with};
use crate::support::service::{Service, eventually};

fn command(id: &str, sku: &str, quantity: i64) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": "/tests/cli", "subject": sku,
        "type": "com.paklog.inventory.fulfillment.v1.product-stock.receive",
        "datacontenttype": "application/json", "data": {"quantity": quantity},
    })
}

#[test]
fn a_command_prints_its_outcome_and_ends_with_a_status_that_says_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let service = Service::start(&directory.path().join("data"), &[]);
    service.wait_until_level(Duration::from_secs(60));
    let ask = |arguments: &[&str]| run(&[&["command"], arguments, &["--url", &service.url]].concat());
    let json = |arguments: &[&str], status: i32| -> Value {
        let ran = ask(&[arguments, &["--json"]].concat()).ended(status);
        serde_json::from_str(&ran.stdout).expect("a JSON body")
    };

    let received =
        ask(&["receive", "SKU A/1", "--quantity", "10", "--id", "c-1", "--location-id", "A-01"]).ended(0);
    assert!(
        received.stdout.starts_with("accepted: SKU A/1 is at version 1\nid c-1\nevents at "),
        "{}",
        received.stdout
    );
    let at_least = received.stdout.lines().find_map(|line| line.strip_prefix("seen by --at-least "));
    let get = run(&[
        "get",
        "SKU A/1",
        "--url",
        &service.url,
        "--at-least",
        at_least.expect("a position"),
        "--json",
    ])
    .ended(0);
    let level: Value = serde_json::from_str(&get.stdout).expect("a JSON body");
    assert_eq!(
        (&level["quantity_on_hand"], &level["locations"][0]["location_id"]),
        (&json!(10), &json!("A-01"))
    );
    // Again under the same name: the same outcome.
    assert_eq!(
        ask(&["receive", "SKU A/1", "--quantity", "10", "--id", "c-1", "--location-id", "A-01"])
            .ended(0)
            .stdout
            .lines()
            .next(),
        received.stdout.lines().next()
    );

    let refused = ask(&["allocate", "SKU A/1", "--quantity", "11"]).ended(1);
    assert!(
        refused.stdout.starts_with("refused: ") && refused.stdout.contains("(INSUFFICIENT_STOCK)"),
        "{}",
        refused.stdout
    );
    assert_eq!(refused.stderr, "", "a refusal is an outcome");
    let conflict = json(&["allocate", "SKU A/1", "--quantity", "1", "--expected-version", "7"], 1);
    assert_eq!(conflict["code"], "VERSION_CONFLICT");
    let late = json(&["allocate", "SKU A/1", "--quantity", "1", "--expiry-time", "2020-01-01T00:00:00Z"], 1);
    assert_eq!(late["code"], "EXPIRED");
    assert_eq!(json(&["receive", "SKU A/1", "--quantity", "0"], 1)["code"], "INVALID_COMMAND");
    let reused = json(&["receive", "SKU A/1", "--quantity", "11", "--id", "c-1"], 1);
    assert_eq!(reused["code"], "COMMAND_ID_REUSED");

    for (arguments, version) in [
        (&["allocate", "SKU A/1", "--quantity", "4", "--allocation-id", "ORD-1"][..], 2),
        (&["pick", "SKU A/1", "--quantity", "1", "--allocation-id", "ORD-1"], 3),
        (&["deallocate", "SKU A/1", "--allocation-id", "ORD-1"], 4),
        (&["adjust", "SKU A/1", "--quantity-change", "-2", "--reason", "DAMAGE", "--comment", "fell"], 5),
        (&["set", "SKU A/1", "--quantity", "20", "--reason", "PHYSICAL_COUNT"], 6),
        (
            &[
                "status",
                "SKU A/1",
                "--quantity",
                "2",
                "--from",
                "AVAILABLE",
                "--to",
                "DAMAGED",
                "--reason",
                "wet",
            ],
            7,
        ),
        (
            &[
                "hold",
                "SKU A/1",
                "--hold-id",
                "H1",
                "--hold-type",
                "QUALITY_HOLD",
                "--quantity",
                "3",
                "--reason",
                "seen",
            ],
            8,
        ),
        (&["release", "SKU A/1", "--hold-id", "H1", "--released-by", "ana"], 9),
        (
            &[
                "receive",
                "SKU A/1",
                "--quantity",
                "5",
                "--lot-number",
                "L1",
                "--expiry-date",
                "2027-01-31",
                "--unit-cost",
                "2.50",
                "--source",
                "/wms",
            ],
            11,
        ),
    ] {
        let body = json(arguments, 0);
        assert_eq!(
            (&body["outcome"], &body["version"]),
            (&json!("accepted"), &json!(version)),
            "{arguments:?}: {body}"
        );
    }
    let (_, level) = service.get("/stock_levels/SKU%20A%2F1");
    assert_eq!(
        (&level["quantity_on_hand"], &level["statuses"], &level["holds"]),
        (&json!(25), &json!({"DAMAGED": 2}), &json!([]))
    );
    assert_eq!(
        (&level["lots"][0]["expiry_date"], &level["valuation"]["unit_cost"]),
        (&json!("2027-01-31"), &json!(2.5))
    );

    let pending = ask(&["receive", "SKU-B", "--quantity", "1", "--async", "--id", "later"]).ended(0);
    assert!(pending.stdout.starts_with("pending: in the log at "), "{}", pending.stdout);
    eventually("it is decided", Duration::from_secs(60), || {
        (service.get("/stock_levels/SKU-B").1["quantity_on_hand"] == 1).then_some(())
    });
}

#[test]
fn publish_and_generate_send_commands_over_http() {
    let directory = tempfile::tempdir().expect("a directory");
    let service = Service::start(&directory.path().join("data"), &[]);
    service.wait_until_level(Duration::from_secs(60));
    let url = service.url.as_str();
    let lines: String =
        (0..300).map(|n| format!("{}\n", command(&format!("c-{n}"), &format!("SKU-{}", n % 7), 1))).collect();
    let lines = format!("{lines}{}\n", command("bad", "SKU-0", -1));
    let ran = run_with(&["publish", "--url", url], &[], &lines, Path::new(".")).ended(1);
    assert_eq!(ran.stdout.lines().count(), 300, "{}", ran.stderr);
    assert!(
        ran.stdout.starts_with("c-0\t") && ran.stdout.lines().all(|line| line.contains(':')),
        "{}",
        ran.stdout
    );
    for words in ["line 301", "bad", "quantity", "1 of 301 failed"] {
        assert!(ran.stderr.contains(words), "{words:?} is not in: {}", ran.stderr);
    }
    eventually("all are decided", Duration::from_secs(60), || {
        let on_hand = |n: u32| service.get(&format!("/stock_levels/SKU-{n}")).1["quantity_on_hand"].as_u64();
        ((0..7).filter_map(on_hand).sum::<u64>() == 300).then_some(())
    });
    let generate =
        ["generate", "--events", "500", "--skus", "5", "--seed", "3", "--commands", "--url", url, "--json"];
    let summary: Value = serde_json::from_str(&run(&generate).ended(0).stdout).expect("a JSON summary");
    assert_eq!((&summary["sent"], &summary["failed"]), (&json!(500), &json!(0)));
    eventually("some of them have changed stock", Duration::from_secs(60), || {
        (service.get("/stock_levels/SKU-000001").0 == 200).then_some(())
    });
}
