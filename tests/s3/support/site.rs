//! A world whose program backs up to a bucket, and runs of that program on other hosts.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Bucket, Keys, server};
use crate::shared::{Ran, World};

/// Where the store's `lucid.json` and the instance are in the bucket.
const PREFIX: &str = "prod";

/// A bucket, and a world with a manifest for it: the policy `config` keeps the folder `data`.
#[must_use]
pub(crate) struct Site {
    pub(crate) world: World,
    pub(crate) bucket: Bucket,
}

impl Site {
    /// Captured to the folder `backups`, copied to the bucket.
    #[track_caller]
    pub(crate) fn copied() -> Self {
        Self::new(Bucket::new(), "\"local\", \"offsite\"")
    }

    /// Straight to the bucket.
    #[track_caller]
    pub(crate) fn streamed() -> Self {
        Self::new(Bucket::new(), "\"offsite\"")
    }

    /// One with this bucket, and these stores of its policy.
    #[track_caller]
    pub(crate) fn new(bucket: Bucket, stores: &str) -> Self {
        let world = opened(World::new(&manifest(&bucket.name, stores)), &server().keys);
        Self { world, bucket }
    }

    /// Adds keys to the table of the bucket.
    #[track_caller]
    pub(crate) fn store(&self, keys: &str) {
        self.world.edit("[store.s3.offsite]\n", &format!("[store.s3.offsite]\n{keys}\n"));
    }

    /// The program goes to the server this way.
    #[track_caller]
    pub(crate) fn through(&self, endpoint: &str) {
        self.world.edit(&server().http, endpoint);
    }

    /// Another place with the same manifest and the same files, and a local state of its own.
    #[track_caller]
    pub(crate) fn twin(&self) -> World {
        let text = fs::read_to_string(self.world.path("lucid-policy.toml")).unwrap();
        let twin = opened(World::new(&text), &server().keys);
        let copy = Command::new("cp").arg("-a").arg(self.world.path("data")).arg(twin.folder()).status().unwrap();
        assert!(copy.success());
        twin
    }

    /// What is below the instance's folder in the bucket, by key.
    #[track_caller]
    pub(crate) fn below(&self, folder: &str) -> Vec<String> {
        self.bucket.keys(&format!("{PREFIX}/demo/{folder}"))
    }

    /// The key of the one object of a series' payload that is not an index.
    #[track_caller]
    pub(crate) fn payload(&self, series: &str) -> String {
        let mut keys = self.below(&format!("data/{series}/"));
        keys.retain(|key| key.rsplit('.').next() != Some("index"));
        assert_eq!(keys.len(), 1, "{keys:?}");
        keys.remove(0)
    }

    /// The keys of a series' records, oldest first.
    #[track_caller]
    pub(crate) fn records(&self, series: &str) -> Vec<String> {
        self.below(&format!("catalog/{series}/"))
    }

    /// Files that together have so many bytes, half of them noise.
    #[track_caller]
    pub(crate) fn fill(&self, files: usize, bytes: usize) {
        for n in 0..files {
            self.world.file(&format!("data/noise-{n}"), noise(n as u64 + 1, bytes));
        }
    }

    /// Adds the policy `slow` to the bucket, which keeps what a command says.
    #[track_caller]
    pub(crate) fn command(&self, script: &str) {
        let text = fs::read_to_string(self.world.path("lucid-policy.toml")).unwrap();
        let table = format!(
            "[source.command.slow]\ncommand = [\"sh\", \"-c\", \"{script}\"]\n\
             [policy.slow]\nsource = \"slow\"\nschedule = \"nightly\"\nretention = \"month\"\nstores = [\"offsite\"]\n"
        );
        self.world.file("lucid-policy.toml", text + &table);
    }

    /// The same with a command that writes more than a part, says that it has begun, and waits until somebody writes into a pipe.
    #[track_caller]
    pub(crate) fn slow(&self) {
        self.command("head -c 40000000 /dev/urandom; touch begun; cat pipe");
        self.world.pipe();
    }

    /// Everything that is listed verifies, nothing is left over, and there is nothing to do.
    #[track_caller]
    pub(crate) fn clean(&self) {
        let _ = self.world.run("verify --no-notes").good();
        let ran = self.harmless("plan --format json --detailed-exitcode").good();
        assert_eq!(ran.json()["findings"].as_array().unwrap().len(), 0, "{ran}");
        assert_eq!(self.bucket.uploads(), Vec::<String>::new(), "unfinished uploads");
    }

    /// Runs the program and sees that neither a store nor the local state was changed by it.
    #[track_caller]
    pub(crate) fn harmless(&self, words: &str) -> Ran {
        let before = (self.bucket.objects(""), self.bucket.uploads());
        let ran = self.world.harmless(words);
        assert_eq!(before, (self.bucket.objects(""), self.bucket.uploads()), "`{words}` changed something:\n{ran}");
        ran
    }

    /// The newest artifact of a policy comes back from the bucket alone, as the folder `data` is now.
    #[track_caller]
    pub(crate) fn restores(&self) {
        let text = fs::read_to_string(self.world.path("lucid-policy.toml")).unwrap();
        let bare = text.replace("\"local\", ", "").replace("[store.directory.local]\npath = \"backups\"\n", "");
        self.world.file("bucket-only.toml", bare);
        let to = tempfile::tempdir().unwrap();
        let place = to.path().join("out");
        let words = ["-f", "bucket-only.toml", "restore", "config", "--to", place.to_str().unwrap(), "--yes"];
        let ran = self.world.args(&words).good();
        same(&self.world.path("data"), &place.join("data"), &ran);
        fs::remove_file(self.world.path("bucket-only.toml")).unwrap();
    }
}

/// The program at work in a world, on a host with this identity of 32 letters instead of this machine's.
#[track_caller]
pub(crate) fn on_host(world: &World, id: &str, words: &[&str]) -> Command {
    world.file("machine-id", format!("{id}\n"));
    let inner = world.command(words);
    let mut outer = Command::new("unshare");
    outer.args(["--mount", "sh", "-c", "mount --bind machine-id /etc/machine-id && exec \"$@\"", "sh"]);
    outer.arg(inner.get_program()).args(inner.get_args()).current_dir(world.folder()).stdin(Stdio::null());
    outer.env_clear().envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    outer
}

/// Two folders hold the same files, but for what the manifest leaves out.
#[track_caller]
fn same(one: &Path, other: &Path, ran: &Ran) {
    let mut diff = Command::new("diff");
    let said = diff.args(["-r", "--exclude", "*.tmp"]).arg(one).arg(other).output().unwrap();
    assert!(said.status.success(), "{}\n{ran}", String::from_utf8_lossy(&said.stdout));
}

/// Bytes that no compressor makes smaller, the same for the same seed.
pub(crate) fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut out = Vec::with_capacity(bytes + 8);
    while out.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        out.extend(state.to_le_bytes());
    }
    out.truncate(bytes);
    out
}

/// A world whose program opens the server with these keys, and asks nobody else for others.
pub(crate) fn opened(world: World, keys: &Keys) -> World {
    world
        .given("AWS_ACCESS_KEY_ID", &keys.key)
        .given("AWS_SECRET_ACCESS_KEY", &keys.secret)
        .given("AWS_REGION", "us-east-1")
        .given("AWS_EC2_METADATA_DISABLED", "true")
}

/// The table of a bucket that is reached this way.
pub(crate) fn table(bucket: &str, endpoint: &str) -> String {
    format!("[store.s3.offsite]\nbucket = \"{bucket}\"\nprefix = \"{PREFIX}\"\nendpoint = \"{endpoint}\"\npath_style = true\n")
}

/// The policy `config` to these stores.
fn manifest(bucket: &str, stores: &str) -> String {
    let offsite = table(bucket, &server().http);
    let local = if stores.contains("\"local\"") { "[store.directory.local]\npath = \"backups\"\n" } else { "" };
    format!(
        "version = 1\nname = \"demo\"\ntimezone = \"Etc/UTC\"\n{local}\
         {offsite}\
         [schedule]\nnightly = {{ cron = \"0 2 * * *\" }}\n[retention]\nmonth = {{ keep_within = \"30d\", min_count = 3 }}\n\
         [source.files.config]\npaths = [\"data\"]\nexclude = [\"*.tmp\"]\n\
         [policy.config]\nsource = \"config\"\nschedule = \"nightly\"\nretention = \"month\"\nstores = [{stores}]\n"
    )
}
