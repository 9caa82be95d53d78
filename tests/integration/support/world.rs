//! A folder with a manifest, a source, and the built program: its own home, its own local state, and an environment that is empty but
//! for the Docker engine of the tests.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::digest::{Digest, digest};
use super::ran::Ran;

/// The issue's own manifest, to the letter.
pub(crate) const QUICKSTART: &str = r#"version  = 1
name     = "demo"
timezone = "Etc/UTC"
[store.directory.local]
path = "backups"
[schedule]
nightly = { cron = "0 2 * * *" }
[retention]
month = { keep_within = "30d", min_count = 3 }
[source.files.config]
paths   = ["data"]
exclude = ["*.tmp"]
[policy.config]
source    = "config"
schedule  = "nightly"
retention = "month"
stores    = ["local"]
"#;

/// A world of a test's own.
#[must_use]
pub(crate) struct World {
    folder: TempDir,
    /// Another Docker engine than the one of the tests.
    engine: Option<String>,
    /// What else is in the program's environment.
    variables: Vec<(String, String)>,
}

impl World {
    /// One with this manifest, and files to back up.
    pub(crate) fn new(manifest: &str) -> Self {
        // Always the same length of path, so that lines break at the same place.
        let world = Self { folder: tempfile::tempdir_in("/tmp").unwrap(), engine: None, variables: Vec::new() };
        world.file("lucid-policy.toml", manifest);
        world.file("data/a.txt", "what is to be kept\n");
        world.file("data/deep/b.txt", "and this\n");
        world.file("data/scratch.tmp", "and this is not\n");
        fs::create_dir(world.path("home")).unwrap();
        world
    }

    /// One whose program speaks to this Docker engine.
    pub(crate) fn on(self, host: &str) -> Self {
        Self { engine: Some(host.to_owned()), ..self }
    }

    /// One whose program finds this in its environment.
    pub(crate) fn given(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The quickstart.
    pub(crate) fn quickstart() -> Self {
        Self::new(QUICKSTART)
    }

    /// The quickstart with something else in its place.
    #[track_caller]
    pub(crate) fn with(from: &str, to: &str) -> Self {
        let world = Self::quickstart();
        world.edit(from, to);
        world
    }

    /// Changes the manifest.
    #[track_caller]
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let path = self.path("lucid-policy.toml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "the manifest has no `{from}`");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Writes a file, and its folders.
    pub(crate) fn file(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Every path below a folder that is a file, from the world's folder, sorted.
    pub(crate) fn files(&self, folder: &str) -> Vec<String> {
        let all = digest(&self.path(folder)).into_keys().map(PathBuf::from).filter(|p| p.is_file());
        all.map(|p| p.strip_prefix(self.folder()).unwrap().to_string_lossy().into_owned()).collect()
    }

    /// The ids that have payload of a series in a store, oldest first.
    pub(crate) fn ids(&self, store: &str, series: &str) -> Vec<String> {
        let Ok(found) = fs::read_dir(self.path(&format!("{store}/demo/data/{series}"))) else { return Vec::new() };
        let mut ids: Vec<String> = found.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        ids.sort();
        ids
    }

    /// The records of a series in a store, oldest first.
    pub(crate) fn records(&self, store: &str, series: &str) -> Vec<PathBuf> {
        let folder = format!("{store}/demo/catalog/{series}");
        let whole = |path: &String| !path.rsplit('/').next().unwrap_or_default().starts_with('.');
        self.files(&folder).iter().filter(|path| whole(path)).map(|path| self.path(path)).collect()
    }

    /// All that the program may change: the store and the local state.
    pub(crate) fn digest(&self) -> (Digest, Digest, Digest) {
        (digest(&self.path("backups")), digest(&self.path("second")), digest(&self.path("state")))
    }

    /// The program, ready to run.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lucid-policy"));
        command.args(["--state-dir", "state"]).args(args).current_dir(self.folder()).stdin(Stdio::null());
        command.env_clear().env("HOME", self.path("home")).env("PATH", "/usr/bin:/bin").env("COLUMNS", "100");
        if let Some(engine) = self.engine.clone().map(Into::into).or_else(|| env::var_os("DOCKER_HOST")) {
            command.env("DOCKER_HOST", engine);
        }
        command.envs(self.variables.iter().cloned());
        command
    }

    /// Runs the program with words that have no spaces.
    #[must_use]
    pub(crate) fn run(&self, words: &str) -> Ran {
        self.args(&words.split_whitespace().collect::<Vec<_>>())
    }

    /// Runs the program.
    #[must_use]
    pub(crate) fn args(&self, args: &[&str]) -> Ran {
        self.finish(&mut self.command(args))
    }

    /// The program at work.
    #[track_caller]
    pub(crate) fn start(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// How it ended.
    #[track_caller]
    pub(crate) fn ended(&self, child: Child) -> Ran {
        Ran::new(child.wait_with_output().unwrap(), self.shown_folder())
    }

    /// Makes the pipe `pipe`: who reads from it waits for [`World::go_on`].
    #[track_caller]
    pub(crate) fn pipe(&self) {
        assert!(Command::new("mkfifo").arg(self.path("pipe")).status().unwrap().success());
    }

    /// Lets the reader of the pipe end well.
    #[track_caller]
    pub(crate) fn go_on(&self) {
        fs::write(self.path("pipe"), "the rest\n").unwrap();
    }

    /// Ends a reader whom the run that had started it has left behind.
    #[track_caller]
    pub(crate) fn close_pipe(&self) {
        drop(File::options().read(true).write(true).open(self.path("pipe")).unwrap());
    }

    /// Runs what was made with [`World::command`].
    #[must_use]
    pub(crate) fn finish(&self, command: &mut Command) -> Ran {
        Ran::new(command.output().unwrap(), self.shown_folder())
    }

    fn shown_folder(&self) -> String {
        self.folder().canonicalize().unwrap().to_string_lossy().into_owned()
    }

    /// Runs the program and sees that neither a store nor the local state was changed by it.
    #[track_caller]
    pub(crate) fn harmless(&self, words: &str) -> Ran {
        let before = self.digest();
        let ran = self.run(words);
        assert!(before == self.digest(), "`{words}` changed something:\n{ran}");
        ran
    }
}
