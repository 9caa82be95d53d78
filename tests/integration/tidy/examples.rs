//! The checker, tried on literals: what it must find, where, and what it must leave alone.

use super::rules::{Exceptions, File, check, undeclared, unexercised};

const NONE: Exceptions<'static> = Exceptions { words: &[], long: &[] };

fn file(path: &str, text: &str) -> File {
    File { path: path.to_owned(), text: text.to_owned() }
}

/// Judges one file, its `//!` line added as the first, and compares the problems' lines and beginnings of rules.
#[track_caller]
fn finds(path: &str, body: &str, wanted: &[&str]) {
    let problems: Vec<String> = check(&[file(path, &format!("//! It.\n{body}"))], &NONE).iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), wanted.len(), "{problems:#?}");
    for (problem, wanted) in problems.iter().zip(wanted) {
        assert!(problem.strip_prefix(path).is_some_and(|rest| rest.starts_with(wanted)), "{problem} does not say {wanted}");
    }
}

#[test]
fn imports_go_down_only() {
    finds("src/plan/step.rs", "use crate::model::Policy;\nuse crate::graph::{Graph, Order};\nuse crate::plan::reason;", &[]);
    finds("src/plan/step.rs", "use crate::store::ReadStore;", &[":2: layer `plan` may not import `crate::store::ReadStore`"]);
    finds(
        "src/finding/code.rs",
        "use crate::{\n    finding::Span,\n    model::id,\n};\nfn f() -> crate::plan::Plan {}",
        &[":4: layer `finding` may not import `crate::model::id`; it may import: nothing", ":6: layer `finding`"],
    );
}

#[test]
fn a_part_of_a_layer_can_be_allowed() {
    finds("src/store/key.rs", "use crate::model::id::Name;\nuse crate::model::{id, id::Random};", &[]);
    finds("src/store/key.rs", "use crate::model::{id, Policy};", &[":2: layer `store` may not import `crate::model::Policy`"]);
    finds("src/store/key.rs", "use crate::model;", &[":2: layer `store` may not import `crate::model`;"]);
}

#[test]
fn layers_are_known_and_not_left_by_super() {
    finds("src/helper/mod.rs", "", &[":1: `helper` is no layer"]);
    finds("src/plan/step.rs", "use super::diff::Diff;", &[]);
    finds("src/plan/step.rs", "use super::super::graph::Graph;", &[":2: what leaves its layer"]);
    finds("src/plan/mod.rs", "use super::graph::Graph;", &[":2: what leaves its layer"]);
}

#[test]
fn comments_literals_and_tests_import_what_they_like() {
    finds("src/plan/step.rs", "//! See [`crate::store`].\nconst A: &str = \"crate::store\";\n/* toml:: */\n", &[]);
    finds("src/plan/step.rs", "#[cfg(test)]\nmod tests {\n    use crate::manifest::load;\n    use toml::Table;\n}\n", &[]);
}

#[test]
fn crates_stay_in_their_place() {
    finds("src/manifest/load.rs", "use toml::Spanned;", &[]);
    finds(
        "src/plan/step.rs",
        "use toml::Spanned;\nfn f(x: ::tar::Header, y: tokio::task::Id) {}",
        &[":2: the crate `toml` is confined to manifest", ":3: the crate `tar`", ":3: the crate `tokio`"],
    );
    finds("src/store/s3_sweep.rs", "use tokio::task;\nuse aws_sdk_s3::Client;", &[]);
    finds("src/source/files.rs", "use crate::archive::{tar::Writer, zstd};\nuse crate::archive::tar;\nfn tar() { guitar::x() }", &[]);
    finds("src/finding/text.rs", "use miette::Report;", &[]);
    finds("src/finding/value.rs", "#[derive(miette::Diagnostic)]\nstruct S;", &[":2: the crate `miette` is confined to finding/text"]);
}

#[test]
fn clock_environment_and_terminal_belong_to_cli() {
    let body = "fn f() {\n    let now = Utc::now();\n    println!(\"{:?}\", std::env::var(\"A\"));\n    let version = env!(\"CARGO_PKG_VERSION\");\n}";
    finds("src/cli/wire.rs", body, &[]);
    finds("src/observe/collect.rs", body, &[":3: `Utc::now`: the clock", ":4: `println!`: only cli", ":4: `std::env::`: the environment"]);
    finds("src/observe/collect.rs", "use crate::store::WriteStore;", &[":2: `WriteStore`: only execute"]);
}

#[test]
fn tests_neither_sleep_nor_hide() {
    finds(
        "src/cli/wire.rs",
        "fn f() { thread::sleep(x); }\n#[cfg(test)]\nmod tests {\n    fn g() { thread::sleep(x); }\n}",
        &[":5: `sleep(`"],
    );
    finds(
        "tests/integration/a.rs",
        "#[ignore]\nfn a() {}\n#[ignore = \"needs a tape\"]\nfn b() { tokio::time::sleep(x) }",
        &[":2: `#[ignore]`", ":5: `sleep(`"],
    );
}

#[test]
fn files_say_what_they_are_for_and_stay_short() {
    let problems = check(&[file("src/lib.rs", "pub mod a;\n")], &NONE);
    assert_eq!(problems[0].to_string(), "src/lib.rs:1: a file opens with `//! ` and what it is for");
    finds("src/plan/mod.rs", &"mod a;\n".repeat(80), &[":80: a mod.rs is an index"]);
    finds("src/plan/step.rs", &"fn a() {}\n".repeat(400), &[":400: at most 400 lines"]);
    finds("src/plan/step.rs", &format!("{}#[cfg(test)]\nmod tests {{\n{}}}\n", "fn a() {}\n".repeat(399), "fn b() {}\n".repeat(900)), &[]);
}

#[test]
fn exceptions_are_only_as_wide_as_needed() {
    let now = || file("src/plan/step.rs", "//! It.\nfn f() { Utc::now() }\n");
    let allowed = Exceptions { words: &[("src/plan/step.rs", "Utc::now", "a reason")], long: &[] };
    assert_eq!(check(&[now()], &allowed), []);
    let stale = check(&[file("src/plan/step.rs", "//! It.\n")], &allowed);
    assert_eq!(stale[0].to_string(), "src/plan/step.rs:1: the exception for `Utc::now` is not needed: take it out");

    let long = |lines: usize| file("src/plan/step.rs", &format!("//! It.\n{}", "fn a() {}\n".repeat(lines - 1)));
    let ratchet = Exceptions { words: &[], long: &[("src/plan/step.rs", 500)] };
    assert_eq!(check(&[long(500)], &ratchet), []);
    assert!(check(&[long(501)], &ratchet)[0].to_string().contains("only gets shorter"));
    assert!(check(&[long(450)], &ratchet)[0].to_string().contains("its limit in the list of long files is now 450"));
    assert!(check(&[], &ratchet)[0].to_string().contains("not there"));
}

#[test]
fn a_file_that_no_mod_names_is_found() {
    let tree = [
        file("src/lib.rs", "pub mod a;\n// mod c;\n"),
        file("src/main.rs", ""),
        file("src/a/mod.rs", "mod b;\n"),
        file("src/a/b.rs", ""),
        file("src/a/bb.rs", ""),
        file("src/c.rs", ""),
    ];
    let problems: Vec<String> = undeclared(&tree, "src/lib.rs").iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "src/a/bb.rs:1: `mod bb;` is missing in a: this file is not compiled",
            "src/c.rs:1: `mod c;` is missing in the root: this file is not compiled"
        ]
    );
}

#[test]
fn a_manifest_that_nothing_tries_is_found() {
    let manifests = ["policies/lucid.toml", "examples/quickstart/lucid-policy.toml"].map(str::to_owned);
    let run = || file("examples/quickstart/run", "cp lucid-policy.toml .");
    let ci = || file(".ci/run", "bash examples/quickstart/run");
    assert_eq!(unexercised(&manifests, &[file("t.rs", "walk(\"policies\")")], &[run(), ci()]), []);
    assert_eq!(unexercised(&manifests, &[file("t.rs", "load(\"policies/lucid.toml\")")], &[run()]).len(), 1);
    assert_eq!(unexercised(&manifests, &[], &[]).len(), 2);
}
