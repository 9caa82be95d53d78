//! The rules of the house, as tables, and the checks that read them.

use std::fmt;

use super::code::{Code, line_of, words};
use super::paths::{follows_a_path, local};

/// The layers in reading order, and what each may import besides itself: a layer, or one path in it.
const LAYERS: &[(&str, &[&str])] = &[
    ("finding", &[]),
    ("manifest", &["finding"]),
    ("model", &["manifest", "finding"]),
    ("lint", &["model", "manifest", "finding"]),
    ("graph", &["model", "finding"]),
    ("archive", &[]),
    ("store", &["model::id"]),
    ("runtime", &["model::id"]),
    ("source", &["model", "archive", "runtime", "finding"]),
    ("facts", &["model::id", "runtime::seen", "finding"]),
    ("observe", &["model", "facts", "store", "runtime", "source", "finding"]),
    ("plan", &["model", "graph", "facts", "finding"]),
    ("execute", &["plan", "source", "archive", "store", "runtime", "facts", "observe", "model", "finding"]),
    (
        "report",
        &[
            "finding",
            "manifest",
            "model",
            "lint",
            "graph",
            "facts",
            "plan",
            "execute::Done",
            "execute::Ending",
            "execute::Event",
            "execute::Outcome",
            "execute::StepOutcome",
            "execute::StepResult",
            "execute::restore",
            "execute::window",
            "store::doctor",
            "store::record",
        ],
    ),
    (
        "cli",
        &[
            "finding", "manifest", "model", "lint", "graph", "archive", "store", "runtime", "source", "facts", "observe", "plan",
            "execute", "report",
        ],
    ),
];

/// Crates, and the only places below `src` that may name them. A `*` at the end stands for the rest of a file's or folder's name.
const CRATES: &[(&str, &[&str])] = &[
    ("toml", &["manifest"]),
    ("schemars", &["manifest"]),
    ("miette", &["finding/text"]),
    ("strsim", &["finding"]),
    ("cron", &["model"]),
    ("chrono_tz", &["model"]),
    ("petgraph", &["graph"]),
    ("tar", &["archive"]),
    ("zstd", &["archive"]),
    ("flate2", &["archive"]),
    ("blake3", &["archive"]),
    ("age", &["archive/sealed"]),
    ("bson", &["archive", "source"]),
    ("crc", &["archive"]),
    ("sha2", &["manifest", "model", "archive/sealed", "store", "runtime/docker*", "source/mongodb*", "execute"]),
    ("tokio", &["execute", "cli", "runtime/docker*", "store/s3*", "source/mongodb*"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("indicatif", &["cli", "report"]),
    ("getrandom", &["cli"]),
    ("bollard", &["runtime/docker*"]),
    ("futures_util", &["runtime/docker*", "store/s3*", "source/mongodb*"]),
    ("rustls", &["runtime/docker*", "store/s3*", "source/mongodb*"]),
    ("mongodb", &["source"]),
    ("bson", &["source", "archive"]),
    ("bytes", &["store/s3*"]),
    ("aws_config", &["store/s3*"]),
    ("aws_sdk_s3", &["store/s3*"]),
    ("aws_smithy_http_client", &["store/s3*"]),
    ("aws_smithy_runtime", &["store/s3*"]),
    ("aws_smithy_runtime_api", &["store/s3*"]),
    ("aws_smithy_types", &["store/s3*"]),
    ("s3s", &["store/s3*"]),
    ("s3s_fs", &["store/s3*"]),
    ("hyper", &["store/s3*"]),
    ("hyper_util", &["store/s3*"]),
    ("http_body_util", &["store/s3*"]),
];

/// Words of production code, the only places below `src` for them, and the rule.
const WORDS: &[(&str, &[&str], &str)] = &[
    ("Utc::now", &["cli"], "the clock is read in cli only"),
    ("Local::now", &[], "the process's own zone is never read"),
    ("SystemTime::now", &["cli"], "the clock is read in cli only"),
    ("Instant::now", &["cli"], "the clock is read in cli only"),
    ("std::env::", &["cli"], "the environment is read in cli only"),
    ("use std::env", &["cli"], "the environment is read in cli only"),
    ("println!", &["cli"], "only cli prints"),
    ("print!", &["cli"], "only cli prints"),
    ("eprintln!", &["cli"], "only cli prints"),
    ("eprint!", &["cli"], "only cli prints"),
    ("dbg!", &[], "nothing is left from debugging"),
    ("process::exit", &[], "exit codes are returned, so that destructors run"),
    ("WriteStore", &["store", "execute", "cli"], "only execute writes to a store"),
];

/// Words of test code that are never right, and the rule.
const TEST_WORDS: &[(&str, &str)] =
    &[("sleep(", "tests wait on a condition, never on time"), ("#[ignore]", "an ignored test says why: #[ignore = \"...\"]")];

/// Exceptions to [`WORDS`] and [`TEST_WORDS`]: file, word, reason. One that is not needed any more must go.
const ALLOWED: &[(&str, &str, &str)] = &[];

/// Files longer than [`LONGEST_FILE`]: file, and the lines that its production part may have. Only ever lowered.
const LONG_FILES: &[(&str, usize)] = &[];

const LONGEST_FILE: usize = 400;
const LONGEST_MOD: usize = 80;

/// A file of the package.
pub(super) struct File {
    /// From the package's folder, with `/`.
    pub(super) path: String,
    /// What is in it.
    pub(super) text: String,
}

/// A rule that a file breaks.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Problem {
    file: String,
    line: usize,
    rule: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.rule)
    }
}

/// The exceptions that the rules know; the house's own, or a test's.
pub(super) struct Exceptions<'a> {
    /// As [`ALLOWED`].
    pub(super) words: &'a [(&'a str, &'a str, &'a str)],
    /// As [`LONG_FILES`].
    pub(super) long: &'a [(&'a str, usize)],
}

impl Exceptions<'static> {
    /// What stands in this file.
    pub(super) const HOUSE: Self = Self { words: ALLOWED, long: LONG_FILES };
}

/// Everything that is wrong with the Rust files of the package.
pub(super) fn check(files: &[File], exceptions: &Exceptions<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut needed = vec![false; exceptions.words.len()];
    for file in files {
        let code = Code::new(&file.path, &file.text);
        let mut say = |line: usize, rule: String| problems.push(Problem { file: file.path.clone(), line, rule });
        if !file.text.starts_with("//! ") {
            say(1, "a file opens with `//! ` and what it is for".to_owned());
        }
        length(file, &code, exceptions.long, &mut say);
        if file.path.starts_with("src/") {
            layers(&file.path, &code.production, &mut say);
            crates(&file.path, &code.production, &mut say);
        }
        for (at, word, rule) in forbidden_words(&file.path, &code) {
            match exceptions.words.iter().position(|(path, allowed, _)| *path == file.path && *allowed == word) {
                Some(exception) => needed[exception] = true,
                None => say(line_of(&code.all, at), format!("`{word}`: {rule}")),
            }
        }
    }
    for ((file, word, _), _) in exceptions.words.iter().zip(needed).filter(|(_, needed)| !needed) {
        problems.push(Problem {
            file: (*file).to_owned(),
            line: 1,
            rule: format!("the exception for `{word}` is not needed: take it out"),
        });
    }
    for (file, _) in exceptions.long.iter().filter(|(long, _)| !files.iter().any(|file| file.path == *long)) {
        problems.push(Problem { file: (*file).to_owned(), line: 1, rule: "is in the list of long files and not there".to_owned() });
    }
    problems.sort();
    problems
}

fn length(file: &File, code: &Code, long: &[(&str, usize)], say: &mut impl FnMut(usize, String)) {
    let lines = code.production_lines;
    if !file.path.starts_with("src/") {
        return;
    }
    if file.path.ends_with("/mod.rs") && lines > LONGEST_MOD {
        say(LONGEST_MOD, format!("a mod.rs is an index of at most {LONGEST_MOD} lines; this one has {lines}"));
    }
    match long.iter().find(|(path, _)| *path == file.path) {
        Some((_, limit)) if lines > *limit => say(*limit, format!("a long file only gets shorter: {lines} lines instead of {limit}")),
        Some((_, limit)) if lines < *limit => {
            say(1, format!("got shorter: its limit in the list of long files is now {lines}, not {limit}"));
        }
        None if lines > LONGEST_FILE => say(LONGEST_FILE, format!("at most {LONGEST_FILE} lines before the tests; this one has {lines}")),
        _ => {}
    }
}

/// `crate::` paths go down the layers only, and nothing leaves its layer by `super`.
fn layers(path: &str, code: &str, say: &mut impl FnMut(usize, String)) {
    let Some((layer, depth)) = layer_of(path) else { return };
    let Some((_, may)) = LAYERS.iter().find(|(name, _)| *name == layer) else {
        return say(1, format!("`{layer}` is no layer of the design"));
    };
    for import in local(code).0 {
        let line = line_of(code, import.at);
        let ups = import.names.iter().take_while(|name| *name == "super").count();
        if ups >= depth {
            say(line, "what leaves its layer starts with `crate::`, not with `super::`".to_owned());
        }
        if import.names[0] != "crate" {
            continue;
        }
        let names = &import.names[1..];
        let inside = names.first().is_some_and(|first| *first == layer);
        if !inside && !may.iter().any(|allowed| allowed.split("::").eq(names.iter().take(allowed.split("::").count()))) {
            let allowed = if may.is_empty() { "nothing".to_owned() } else { may.join(", ") };
            say(line, format!("layer `{layer}` may not import `{}`; it may import: {allowed}", import.names.join("::")));
        }
    }
}

/// The layer of a file below `src` and how many modules deep it is; none for the roots.
fn layer_of(path: &str) -> Option<(&str, usize)> {
    let inner = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    if inner == "lib" || inner == "main" {
        return None;
    }
    let module = inner.strip_suffix("/mod").unwrap_or(inner);
    Some((module.split('/').next().unwrap_or(module), module.split('/').count()))
}

fn crates(path: &str, code: &str, say: &mut impl FnMut(usize, String)) {
    let (_, ours) = local(code);
    for (name, places) in CRATES {
        if is_in(path, places) {
            continue;
        }
        for at in words(code, name) {
            let used = code[at + name.len()..].starts_with("::") || code[..at].ends_with("use ") || code[..at].ends_with("extern crate ");
            if used && !follows_a_path(code, at) && !ours.iter().any(|range| range.contains(&at)) {
                say(line_of(code, at), format!("the crate `{name}` is confined to {}", places.join(", ")));
            }
        }
    }
}

/// Every word that a file must not have: its place, the word and the rule.
fn forbidden_words(path: &str, code: &Code) -> Vec<(usize, &'static str, &'static str)> {
    let production = WORDS.iter().filter(|(_, places, _)| path.starts_with("src/") && !is_in(path, places));
    let mut found: Vec<_> =
        production.flat_map(|(word, _, rule)| words(&code.production, word).map(move |at| (at, *word, *rule))).collect();
    found.extend(TEST_WORDS.iter().flat_map(|(word, rule)| words(&code.tests, word).map(move |at| (at, *word, *rule))));
    found
}

/// Whether a file below `src` is in one of the places.
fn is_in(path: &str, places: &[&str]) -> bool {
    let inner = path.strip_prefix("src/").unwrap_or(path);
    places.iter().any(|place| match place.strip_suffix('*') {
        Some(start) => inner.starts_with(start),
        None => inner.strip_prefix(place).is_some_and(|rest| rest.starts_with(['/', '.'])),
    })
}

/// Rust files that no `mod` leads to: `files` are below `root`'s folder, and `root` is the crate's root.
pub(super) fn undeclared(files: &[File], root: &str) -> Vec<Problem> {
    let folder = root.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut problems = Vec::new();
    for file in files {
        let Some(inner) = file.path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')) else { continue };
        if file.path == root || matches!(inner, "main.rs" | "lib.rs") {
            continue;
        }
        let module = inner.strip_suffix("/mod.rs").or_else(|| inner.strip_suffix(".rs")).unwrap_or(inner);
        let (parents, parent, name) = match module.rsplit_once('/') {
            Some((above, name)) => (vec![format!("{folder}/{above}/mod.rs"), format!("{folder}/{above}.rs")], above, name),
            None => (vec![root.to_owned()], "the root", module),
        };
        let declaration = format!("mod {name};");
        let declared =
            files.iter().filter(|f| parents.contains(&f.path)).any(|f| words(&Code::new("", &f.text).all, &declaration).count() > 0);
        if !declared {
            problems.push(Problem {
                file: file.path.clone(),
                line: 1,
                rule: format!("`{declaration}` is missing in {parent}: this file is not compiled"),
            });
        }
    }
    problems
}

/// Manifests that nothing tries: `manifests` are paths, `tests` the tests of the program, `scripts` the examples' own and CI's.
///
/// A test names a manifest by its path, or the folder that it walks, as `"policies"`. An example may have a `run` beside it that
/// names it, if CI runs that.
pub(super) fn unexercised(manifests: &[String], tests: &[File], scripts: &[File]) -> Vec<Problem> {
    let script = |path: &str| scripts.iter().find(|file| file.path == path).map_or("", |file| file.text.as_str());
    let tried = |manifest: &String| {
        let folder = manifest.split('/').next().unwrap_or_default();
        let by_test = tests.iter().any(|test| test.text.contains(manifest.as_str()) || test.text.contains(&format!("\"{folder}\"")));
        let (beside, name) = manifest.rsplit_once('/').unwrap_or(("", manifest));
        let run = format!("{beside}/run");
        let runs = script(".ci/run").contains(&run) || tests.iter().any(|test| test.text.contains(&run));
        by_test || (script(&run).contains(name) && runs)
    };
    let rule = "no test names this manifest or walks its folder, and no `run` beside it that CI or a test runs";
    manifests.iter().filter(|m| !tried(m)).map(|m| Problem { file: m.clone(), line: 1, rule: rule.to_owned() }).collect()
}
