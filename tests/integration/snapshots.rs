//! What people read and what programs parse, to the letter. Text may change when it gets better; JSON may not, within a major version.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use chrono::{SecondsFormat, TimeDelta, Utc};
use insta::assert_snapshot;

use crate::support::{Ran, World, plain_json};

fn later(days: i64) -> String {
    (Utc::now() + TimeDelta::days(days)).to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// The quickstart, captured, and a second store that is not there yet.
fn second_store() -> World {
    let world = World::quickstart();
    let _ = world.run("apply").good();
    world.edit("[schedule]", "[store.directory.far]\npath = \"second\"\n[schedule]");
    world.edit("[\"local\"]", "[\"local\", \"far\"]");
    world
}

/// Artifacts of the last days, and a retention that lets some of them go.
fn expired() -> World {
    let world = World::quickstart();
    world.history([121, 97, 73, 49, 25]);
    let _ = world.run("apply").good();
    world.edit("keep_within = \"30d\", min_count = 3", "keep_last = 3, keep_within = \"60h\", min_count = 2");
    world
}

fn json(ran: &Ran) -> String {
    plain_json(&ran.json(), &ran.folder)
}

#[test]
fn the_first_plan() {
    assert_snapshot!(World::quickstart().run("plan").shown(), @r#"
    Plan for demo at <time>

      + init     store.local
            the store does not exist yet  [lucid-policy.toml:4]
      + capture  policy.config to local
            nothing was captured yet  [lucid-policy.toml:13]

    Plan: 1 store to make, 1 to capture, 0 to copy, 0 to delete.
    Without other changes it stays like this until <time>.
    "#);
}

#[test]
fn a_plan_with_nothing_to_do() {
    let world = World::quickstart();
    let _ = world.run("apply").good();
    assert_snapshot!(world.run("plan").shown(), @r#"
    No changes.
    Next: policy.config on <day> Etc/UTC.
    "#);
}

#[test]
fn a_plan_with_missed_slots() {
    let world = World::quickstart();
    let _ = world.run("apply").good();
    assert_snapshot!(world.args(&["plan", "--as-of", &later(4)]).shown(), @r#"
    Plan for demo at <time>

      + capture  policy.config to local  about <size>
            its slot of <time> is past; the newest one satisfied is <time>  [lucid-policy.toml:13]
            3 slots between them are not made up

    Plan: 1 to capture, 0 to copy, 0 to delete.
    Without other changes it stays like this until <time>.
    "#);
}

#[test]
fn a_plan_restricted_and_asked_for() {
    let world = World::quickstart();
    let _ = world.run("apply").good();
    assert_snapshot!(world.run("plan --now --only policy.config").shown(), @r#"
    Restricted to policy.config: nothing else was looked at, and nothing is swept.

    Plan for demo at <time>

      + capture  policy.config to local  about <size>
            asked for with --now  [lucid-policy.toml:13]

    Plan: 1 to capture, 0 to copy, 0 to delete.
    Without other changes it stays like this until <time>.
    "#);
}

#[test]
fn a_plan_with_a_copy_to_a_new_store() {
    assert_snapshot!(second_store().run("plan").shown(), @r#"
    Plan for demo at <time>

      + init     store.far
            the store does not exist yet  [lucid-policy.toml:6]
      + copy     policy.config <id> from local to far  about <size>
            its retention keeps it there, and it is not there  [lucid-policy.toml:19]

    Plan: 1 store to make, 0 to capture, 1 to copy, 0 to delete.
    Without other changes it stays like this until <time>.
    "#);
}

#[test]
fn a_plan_with_a_damaged_copy() {
    let world = second_store();
    let _ = world.run("apply").good();
    let id = world.ids("second", "config").remove(0);
    fs::write(world.path(&format!("second/demo/data/config/{id}/files.tar.zst")), "cut").unwrap();
    assert_snapshot!(world.run("plan").shown(), @r#"
    Plan for demo at <time>

      + copy     policy.config <id> from local to far  about <size>
            the copy there is damaged  [lucid-policy.toml:19]

    Plan: 0 to capture, 1 to copy, 0 to delete.
    Without other changes it stays like this until <time>.
    "#);
}

#[test]
fn a_plan_with_deletions_and_their_reasons() {
    assert_snapshot!(expired().run("plan").shown(), @r#"
    Plan for demo at <time>

      - delete   policy.config <id> of <time> on local <size>
            retention month: keep_last keeps 3, and it is number 4; keep_within reaches back to <time>  [lucid-policy.toml:9]
            the oldest one that stays is <id>
      - delete   policy.config <id> of <time> on local <size>
            retention month: keep_last keeps 3, and it is number 5; keep_within reaches back to <time>  [lucid-policy.toml:9]
            the oldest one that stays is <id>
      - delete   policy.config <id> of <time> on local <size>
            retention month: keep_last keeps 3, and it is number 6; keep_within reaches back to <time>  [lucid-policy.toml:9]
            the oldest one that stays is <id>

    Plan: 0 to capture, 0 to copy, 3 to delete (<size>).
    Without other changes it stays like this until <time>.
    "#);
}

#[test]
fn a_plan_with_a_sweep() {
    let world = World::quickstart();
    let _ = world.run("apply").good();
    let orphan = "backups/demo/data/config/20200101T000000000Z-full-aaaaaaaaaaaaaaaa/files.tar.zst";
    world.file(orphan, "half a payload");
    let file = File::options().write(true).open(world.path(orphan)).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_hours(48)).unwrap();
    assert_snapshot!(world.run("plan").shown(), @r#"
    Plan for demo at <time>

      - sweep    store.local in config: 1 object <size>
            left by runs that did not end, or past its expiry

    Plan: 0 to capture, 0 to copy, 0 to delete, 1 to sweep.
    Without other changes it stays like this until <time>.
    "#);
}

#[test]
fn a_plan_in_which_everything_is_blocked() {
    let world = expired();
    fs::remove_dir_all(world.path("data")).unwrap();
    assert_snapshot!(world.run("plan --now").shown(), @r#"
    No step can run; the findings say why.
    Next: policy.config on <day> Etc/UTC.

    1 error

    source-unusable

      × policy `config` is not captured: source `config`: `<folder>/data` does not exist
        ╭─[lucid-policy.toml:14:13]
     13 │ [policy.config]
     14 │ source    = "config"
        ·             ────┬───
        ·                 ╰── its source
     15 │ schedule  = "nightly"
        ╰────
      help: bring the source back, or change the manifest; nothing was deleted
    "#);
}

#[test]
fn a_plan_with_a_store_that_is_away() {
    let world = second_store();
    let _ = world.run("apply").good();
    fs::remove_dir_all(world.path("second")).unwrap();
    assert_snapshot!(world.run("plan").shown(), @r#"
    No step can run; the findings say why.
    Next: policy.config on <day> Etc/UTC.

    1 error

    store-away

      × store `far` is known (uuid <uuid>) and is not there
       ╭─[lucid-policy.toml:6:18]
     5 │ path = "backups"
     6 │ [store.directory.far]
       ·                  ─┬─
       ·                   ╰── this store
     7 │ path = "second"
       ╰────
      help: mount it or bring it back; for a new empty store run `lucid-policy store accept far`
    "#);
}

#[test]
fn the_shape_of_a_plan() {
    assert_snapshot!(json(&World::quickstart().run("plan --format json")), @r#"
    {
      "format_version": "1.0",
      "instance": "demo",
      "manifest_sha256": "<sha256>",
      "as_of": "<time>",
      "facts_at": "<time>",
      "valid_until": "<time>",
      "only": [],
      "steps": [
        {
          "address": "init:store.local",
          "kind": "init",
          "target": {
            "store": "local"
          },
          "reason": {
            "code": "new-store",
            "data": {}
          },
          "span": {
            "file": "lucid-policy.toml",
            "start": 69,
            "end": 74,
            "line": 4,
            "column": 18
          },
          "after": []
        },
        {
          "address": "capture:policy.config@<time>",
          "kind": "capture",
          "target": {
            "policy": "config",
            "series": "config",
            "store": "local",
            "slot": "<time>",
            "estimate": null
          },
          "reason": {
            "code": "first-capture",
            "data": {}
          },
          "span": {
            "file": "lucid-policy.toml",
            "start": 265,
            "end": 271,
            "line": 13,
            "column": 9
          },
          "after": [
            "init:store.local"
          ]
        }
      ],
      "findings": [],
      "holdings": [
        {
          "policy": "config",
          "store": "local",
          "artifacts": 1,
          "bytes": 0
        }
      ],
      "waiting": []
    }
    "#);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a whole plan is shown")]
fn the_shape_of_a_plan_that_copies() {
    let world = second_store();
    let ran = world.run("plan --now --format json");
    assert_snapshot!(plain_json(&ran.json()["steps"], &ran.folder), @r#"
    [
      {
        "address": "init:store.far",
        "kind": "init",
        "target": {
          "store": "far"
        },
        "reason": {
          "code": "new-store",
          "data": {}
        },
        "span": {
          "file": "lucid-policy.toml",
          "start": 110,
          "end": 113,
          "line": 6,
          "column": 18
        },
        "after": []
      },
      {
        "address": "capture:policy.config@<time>",
        "kind": "capture",
        "target": {
          "policy": "config",
          "series": "config",
          "store": "local",
          "slot": "<time>",
          "estimate": 0
        },
        "reason": {
          "code": "requested",
          "data": {}
        },
        "span": {
          "file": "lucid-policy.toml",
          "start": 303,
          "end": 309,
          "line": 15,
          "column": 9
        },
        "after": []
      },
      {
        "address": "copy:policy.config/<id>@far",
        "kind": "copy",
        "target": {
          "policy": "config",
          "series": "config",
          "id": "<id>",
          "from": "local",
          "store": "far",
          "generation": 1,
          "as_generation": 1,
          "bytes": 0
        },
        "reason": {
          "code": "missing-copy",
          "data": {}
        },
        "span": {
          "file": "lucid-policy.toml",
          "start": 396,
          "end": 401,
          "line": 19,
          "column": 23
        },
        "after": [
          "init:store.far"
        ]
      },
      {
        "address": "copy:policy.config@<time>@far",
        "kind": "copy",
        "target": {
          "policy": "config",
          "series": "config",
          "id": null,
          "of": "capture:policy.config@<time>",
          "from": "local",
          "store": "far",
          "generation": 1,
          "as_generation": 1,
          "bytes": 0
        },
        "reason": {
          "code": "missing-copy",
          "data": {}
        },
        "span": {
          "file": "lucid-policy.toml",
          "start": 396,
          "end": 401,
          "line": 19,
          "column": 23
        },
        "after": [
          "init:store.far",
          "capture:policy.config@<time>"
        ]
      }
    ]
    "#);
}

#[test]
#[expect(clippy::too_many_lines, reason = "a whole plan is shown")]
fn the_shape_of_a_plan_that_deletes_and_is_blocked() {
    let world = expired();
    let ran = world.run("plan --format json");
    assert_snapshot!(plain_json(&ran.json()["steps"], &ran.folder), @r#"
    [
      {
        "address": "delete:policy.config/<id>@local",
        "kind": "delete",
        "target": {
          "policy": "config",
          "series": "config",
          "id": "<id>",
          "store": "local",
          "generations": [
            1
          ],
          "bytes": 0
        },
        "reason": {
          "code": "expired",
          "data": {
            "retention": "month",
            "misses": [
              {
                "miss": "last",
                "ordinal": 4,
                "of": 3
              },
              {
                "miss": "within",
                "since": "<time>"
              }
            ],
            "older": null,
            "newer": "<id>"
          }
        },
        "span": {
          "file": "lucid-policy.toml",
          "start": 149,
          "end": 154,
          "line": 9,
          "column": 1
        },
        "after": []
      },
      {
        "address": "delete:policy.config/<id>@local",
        "kind": "delete",
        "target": {
          "policy": "config",
          "series": "config",
          "id": "<id>",
          "store": "local",
          "generations": [
            1
          ],
          "bytes": 0
        },
        "reason": {
          "code": "expired",
          "data": {
            "retention": "month",
            "misses": [
              {
                "miss": "last",
                "ordinal": 5,
                "of": 3
              },
              {
                "miss": "within",
                "since": "<time>"
              }
            ],
            "older": null,
            "newer": "<id>"
          }
        },
        "span": {
          "file": "lucid-policy.toml",
          "start": 149,
          "end": 154,
          "line": 9,
          "column": 1
        },
        "after": [
          "delete:policy.config/<id>@local"
        ]
      },
      {
        "address": "delete:policy.config/<id>@local",
        "kind": "delete",
        "target": {
          "policy": "config",
          "series": "config",
          "id": "<id>",
          "store": "local",
          "generations": [
            1
          ],
          "bytes": 0
        },
        "reason": {
          "code": "expired",
          "data": {
            "retention": "month",
            "misses": [
              {
                "miss": "last",
                "ordinal": 6,
                "of": 3
              },
              {
                "miss": "within",
                "since": "<time>"
              }
            ],
            "older": null,
            "newer": "<id>"
          }
        },
        "span": {
          "file": "lucid-policy.toml",
          "start": 149,
          "end": 154,
          "line": 9,
          "column": 1
        },
        "after": [
          "delete:policy.config/<id>@local"
        ]
      }
    ]
    "#);
    fs::remove_dir_all(world.path("data")).unwrap();
    let ran = world.run("plan --format json");
    assert_snapshot!(plain_json(&ran.json()["findings"], &ran.folder), @r#"
    [
      {
        "code": "source-unusable",
        "severity": "error",
        "message": "3 artifacts of policy `config` on store `local` not deleted: source `config`: `<folder>/data` does not exist",
        "labels": [
          {
            "span": {
              "file": "lucid-policy.toml",
              "start": 149,
              "end": 154,
              "line": 9,
              "column": 1
            },
            "text": "its retention lets them go"
          }
        ],
        "help": "bring the source back, or change the manifest"
      }
    ]
    "#);
}

#[test]
fn what_a_run_says() {
    let world = expired();
    let ran = world.run("apply --now");
    assert_snapshot!(ran.told(), @r#"
    done: capture:policy.config@<time> (<id>, <size> of <size> stored, 4 entries, <took>)
    done: delete:policy.config/<id>@local (<id>, <size>, <took>)
    done: delete:policy.config/<id>@local (<id>, <size>, <took>)
    done: delete:policy.config/<id>@local (<id>, <size>, <took>)
    Applied: 4 steps done in <took>. Run <run>.
    "#);
    let failing = World::with(
        "[policy.config]",
        "[source.command.dump]\ncommand = [\"sh\", \"-c\", \"echo no server >&2; exit 3\"]\n[policy.config]",
    );
    failing.edit("source    = \"config\"", "source    = \"dump\"");
    assert_snapshot!(failing.run("apply").told(), @r#"
    done: init:store.local (<size>, <took>)
    FAILED: capture:policy.config@<time>: source `dump`: `sh -c echo no server >&2; exit 3` ended with exit status: 3: no server
    Not all was applied: 1 step done, 1 failed in <took>. Run <run>.
    "#);
}

#[test]
fn events_of_a_run() {
    let ran = World::quickstart().run("apply --format json");
    let lines: Vec<serde_json::Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    // How often progress is told depends on the machine.
    let lines: Vec<_> = lines.into_iter().filter(|line| line["type"] != "step-progress").collect();
    assert_snapshot!(plain_json(&lines.into(), &ran.folder), @r#"
    [
      {
        "type": "run-started",
        "run": "<run>",
        "at": "<time>",
        "steps": 2
      },
      {
        "type": "step-started",
        "address": "init:store.local"
      },
      {
        "type": "step-ended",
        "address": "init:store.local",
        "kind": "init",
        "result": "done",
        "bytes": 0,
        "warnings": 0,
        "millis": 0
      },
      {
        "type": "step-started",
        "address": "capture:policy.config@<time>"
      },
      {
        "type": "step-ended",
        "address": "capture:policy.config@<time>",
        "kind": "capture",
        "result": "done",
        "id": "<id>",
        "bytes": 0,
        "source_bytes": 0,
        "entries": 4,
        "warnings": 0,
        "millis": 0
      },
      {
        "type": "run-ended",
        "run": "<run>",
        "at": "<time>",
        "exit": 0
      }
    ]
    "#);
}

#[test]
fn status_of_what_is_good_and_what_is_late() {
    let world = World::with("stores    = [\"local\"]", "stores    = [\"local\"]\nrpo = \"26h\"");
    assert_snapshot!(world.run("status").shown(), @r#"
    demo at <time>

    policy.config  LATE
      local: nothing yet
      next: <day> Etc/UTC, <day> Etc/UTC, <day> Etc/UTC
    "#);
    world.history([72]);
    assert_snapshot!(world.run("status").shown(), @r#"
    demo at <time>

    policy.config  LATE
      local: newest <id>, 3 d 0 h old, PAST its rpo of 1 d 2 h; 1 artifact, <size>
      next: <day> Etc/UTC, <day> Etc/UTC, <day> Etc/UTC
    "#);
    let _ = world.run("apply").good();
    assert_snapshot!(world.run("status").shown(), @r#"
    demo at <time>

    policy.config  ok
      local: newest <id>, <took> old, within its rpo of 1 d 2 h; 2 artifacts, <size>
      next: <day> Etc/UTC, <day> Etc/UTC, <day> Etc/UTC
    "#);
    assert_snapshot!(json(&world.run("status --format json")), @r#"
    {
      "format_version": "1.0",
      "instance": "demo",
      "at": "<time>",
      "late": false,
      "policies": [
        {
          "policy": "config",
          "state": "active",
          "late": false,
          "stores": [
            {
              "store": "local",
              "seen": true,
              "newest": "<id>",
              "instant": "<time>",
              "age": 0,
              "rpo": 93600,
              "late": false,
              "artifacts": 2,
              "damaged": 0,
              "bytes": 0
            }
          ],
          "next": [
            "<time>",
            "<time>",
            "<time>"
          ]
        }
      ],
      "restores": [],
      "owed": [],
      "quiet": [],
      "leases": []
    }
    "#);
}

#[test]
fn a_list_and_one_in_full() {
    let world = expired();
    let newest = world.ids("backups", "config").pop().unwrap();
    let _ = world.run(&format!("hold {newest} --name audit")).good();
    let _ = world.run("verify --newest").good();
    assert_snapshot!(world.run("list").shown(), @r#"
    config on local
      <id>  <time> <size>  verified   kept: held
      <id>  <time> <size>  complete   kept: last 2
      <id>  <time> <size>  complete   kept: last 3
      <id>  <time> <size>  complete   expired
      <id>  <time> <size>  complete   expired
      <id>  <time> <size>  complete   expired
    "#);
    assert_snapshot!(world.run(&format!("show {newest}")).shown(), @r#"
    <id>

      policy       config
      series       config
      source       files config
      slot         <time>
      content of   <time>
      taken        <time> to <time>
      holds        4 entries, <size>
      bytes <size> in 2 objects
      codec        tar, zstd
      consistency  crash
      warnings     0
      made by      lucid-policy 0.1.0 in run <run>
      label        data = <folder>/data
      object       files.tar.zst <size>  sha256 <sha256>
      object       files.tar.zst.index <size>  sha256 <sha256>

      on local: verified, held by audit, kept: held
    "#);
    assert_snapshot!(world.run(&format!("show {newest} --files")).shown(), @r#"
    0755 directory            0 <time> data
    0644 file                23 <time> data/a.txt
    0755 directory            0 <time> data/deep
    0644 file                 9 <time> data/deep/b.txt
    "#);
    assert_snapshot!(json(&world.run("list --format json")).lines().take(20).collect::<Vec<_>>().join("\n"), @r#"
    {
      "format_version": "1.0",
      "artifacts": [
        {
          "series": "config",
          "policy": "config",
          "store": "local",
          "id": "<id>",
          "instant": "<time>",
          "slot": "<time>",
          "bytes": 0,
          "usable": true,
          "verified": true,
          "holds": [
            "audit"
          ],
          "needs": null,
          "kept": {
            "rule": "hold"
          }
    "#);
}

#[test]
fn what_verify_says() {
    let world = World::quickstart();
    let _ = world.run("apply").good();
    assert_snapshot!(world.run("verify").shown(), @r#"
    good (level 2): <id> on local
    "#);
    let id = world.ids("backups", "config").remove(0);
    let payload = world.path(&format!("backups/demo/data/config/{id}/files.tar.zst"));
    let mut bytes = fs::read(&payload).unwrap();
    bytes[20] ^= 1;
    fs::write(&payload, bytes).unwrap();
    assert_snapshot!(world.run("verify").shown(), @r#"
    DAMAGED (level 1): <id> on local
        <folder>/backups: `demo/data/config/<id>/files.tar.zst` does not have the SHA-256 that its record says
    "#);
}

#[test]
fn an_explanation() {
    assert_snapshot!(World::quickstart().run("explain store-away").shown(), @r#"
    store-away: a store that is known from earlier runs is not there

    The local state remembers the uuid of the store that stood here. Now the place
    is empty or missing: a disk that is not mounted, a bucket that was deleted, a
    path that was changed. Writing here would scatter backups over two places, and a
    plan that thinks the store is new would capture everything again, so nothing
    that concerns it runs. Bring the store back; or, if a new empty store is what
    you want, say so with `lucid-policy store accept NAME`.
    "#);
}

#[test]
fn graphs() {
    let world = second_store();
    assert_snapshot!(world.run("graph").shown(), @r#"
    policy.config
      retention    retention.month
      schedule     schedule.nightly
      source       source.config
      copies to    store.far
      captures to  store.local
    "#);
    assert_snapshot!(world.run("graph --format dot").shown(), @r#"
    digraph manifest {
      rankdir = LR;
      node [shape = box];
      "policy.config";
      "retention.month";
      "schedule.nightly";
      "source.config";
      "store.far";
      "store.local";
      "policy.config" -> "retention.month" [label = "retention"];
      "policy.config" -> "schedule.nightly" [label = "schedule"];
      "policy.config" -> "source.config" [label = "source"];
      "policy.config" -> "store.far" [label = "copies to"];
      "policy.config" -> "store.local" [label = "captures to"];
    }
    "#);
    assert_snapshot!(world.run("graph --format mermaid").shown(), @r#"
    flowchart LR
      n0["policy.config"]
      n1["retention.month"]
      n2["schedule.nightly"]
      n3["source.config"]
      n4["store.far"]
      n5["store.local"]
      n0 -->|"retention"| n1
      n0 -->|"schedule"| n2
      n0 -->|"source"| n3
      n0 -->|"copies to"| n4
      n0 -->|"captures to"| n5
    "#);
}

/// The verbs that `--help` lists, with their own verbs below them.
fn verbs(world: &World) -> Vec<String> {
    let listed = |words: &str| {
        let help = world.run(&format!("{words} -h")).good().out;
        let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| line.starts_with("  "));
        let names = commands.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
        names.filter(|name| *name != "help").map(|name| format!("{words} {name}").trim().to_owned()).collect::<Vec<_>>()
    };
    listed("")
        .into_iter()
        .flat_map(|verb| {
            let below = listed(&verb);
            if below.is_empty() { vec![verb] } else { below }
        })
        .collect()
}

#[test]
fn every_verb_shows_an_example_in_its_help() {
    let world = World::quickstart();
    let verbs = verbs(&world);
    assert!(verbs.len() > 15, "{verbs:?}");
    for verb in verbs {
        for flag in ["-h", "--help"] {
            let help = world.run(&format!("{verb} {flag}")).good().out;
            let example = help.split_once("Example").map(|(_, rest)| rest.to_owned()).unwrap_or_default();
            let own = example.contains("lucid-policy ") && verb.split(' ').all(|word| example.contains(word));
            assert!(own, "`{verb} {flag}` shows no example of itself:\n{help}");
            assert!(help.lines().all(|line| line.chars().count() <= 120), "`{verb} {flag}` is too wide:\n{help}");
        }
    }
}

#[test]
fn help_names_every_exit_code() {
    let help = World::quickstart().run("--help").good().shown();
    let table = help.split_once("Exit codes:\n").map(|(_, table)| table.to_owned()).unwrap_or_default();
    assert_snapshot!(table, @r#"
    0    all good
    1    something that should not happen
    2    there are changes (plan --detailed-exitcode)
    3    a step failed
    4    a guard refused something
    5    a saved plan is stale
    7    a policy is late (status --check)
    8    damage was found
    9    something could not be checked
    10   the manifest is invalid
    11   everything is held by other runs
    64   the command line is wrong
    129, 130, 143   ended by SIGHUP, SIGINT, SIGTERM
    "#);
}

#[test]
fn help_of_apply() {
    assert_snapshot!(World::quickstart().run("apply -h").good().shown(), @r#"
    Do what the plan says

    Usage: lucid-policy apply [OPTIONS]

    Options:
      -f, --file <FILE|FOLDER>  The manifest: a file, or a folder of which every *.toml is read
                                [default: lucid-policy.toml, else policies/]
          --only <policy.NAME>  Work on these policies only
          --format <FORMAT>     What to print: text for people, json for programs; some verbs have more
                                [default: text]
          --now                 Capture what is selected now, whatever its schedule says
          --no-delete           For a host whose credentials cannot delete: nothing is deleted or swept,
                                what would go is named as waiting for a janitor
          --state-dir <FOLDER>  Where this host remembers things [default: /var/lib/lucid-policy for
                                root, else the XDG state folder] [env: LUCID_POLICY_STATE_DIR=]
          --only-delete         For a janitor, on another host: nothing but deletes and sweeps; asks no
                                source and no engine, whichever host owns the instance
      -q, --quiet               Say only what went wrong
          --catalog-only        Leave the payload out of the listing: quick on a store with many
                                objects; missing objects are not seen, nothing is deleted
          --color <WHEN>        When to use colour [default: auto] [possible values: auto, always,
                                never]
      -y, --yes                 Do not ask, even where something is deleted or stopped
          --plan <FILE>         Delete nothing and stop nothing that this saved plan does not name;
                                refused if the manifest has changed since
      -h, --help                Print help (see more with '--help')

    Examples:
        lucid-policy apply
        lucid-policy apply --now --only policy.config --yes
        lucid-policy plan --out plan.json && lucid-policy apply --plan plan.json
        lucid-policy apply --no-delete            # on the host
        lucid-policy apply --only-delete --yes    # elsewhere, with credentials that may delete
    "#);
}
