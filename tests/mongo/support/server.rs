//! The servers of all tests of a process: `mongod`, each started by the first that asks, and ended with the process.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use bson::{Document, doc};
use lucid_policy::model::SecretRef;
use lucid_policy::source::mongodb::{Place, Target};
use lucid_policy::source::resolve;
use serde_json::Value;

/// That of every user that a test makes.
pub(crate) const PASSWORD: &str = "of nobody else";

/// Where it is, and what opens it.
pub(crate) struct Server {
    /// As `HOST:PORT`.
    pub(crate) address: String,
    /// The authority that has signed its certificate, in PEM.
    pub(crate) authority: PathBuf,
    /// One that has not.
    pub(crate) stranger: PathBuf,
    /// A client's certificate with its key.
    pub(crate) client: PathBuf,
    /// Who may do everything, and the password.
    root: Option<(String, String)>,
    /// Serves until its standard input ends, which it does with this process, however that ends.
    process: Child,
}

static SET: OnceLock<Server> = OnceLock::new();
static OPEN: OnceLock<Server> = OnceLock::new();
static ALONE: OnceLock<Server> = OnceLock::new();
static USERS: AtomicUsize = AtomicUsize::new(0);

/// A replica set of one that wants to know who asks.
pub(crate) fn set() -> &'static Server {
    SET.get_or_init(|| Server::start("set"))
}

/// A replica set of one for whoever comes.
pub(crate) fn open() -> &'static Server {
    OPEN.get_or_init(|| Server::start("open"))
}

/// A standalone for whoever comes.
pub(crate) fn alone() -> &'static Server {
    ALONE.get_or_init(|| Server::start("alone"))
}

impl Server {
    /// One of its own for a test that spoils it; it ends with the value.
    pub(crate) fn start(kind: &str) -> Self {
        let mut script = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/mongo/serve"));
        let mut process =
            script.arg(kind).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("tests/mongo/serve runs: see tests/setup");
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).expect("tests/mongo/serve says where the server is; if not, it has said why");
        let text = |name: &str| told[name].as_str().map(str::to_owned);
        let path = |name: &str| PathBuf::from(text(name).expect("a path"));
        Self {
            address: text("address").expect("an address"),
            authority: path("authority"),
            stranger: path("stranger"),
            client: path("client"),
            root: text("user").zip(text("password")),
            process,
        }
    }

    /// The server for one who may do everything.
    pub(crate) fn target(&self) -> Target {
        match &self.root {
            Some((user, password)) => self.target_of(user, password),
            None => Target::new(Place::Hosts(vec![self.address.clone()])),
        }
    }

    /// The server for a user.
    pub(crate) fn target_of(&self, user: &str, password: &str) -> Target {
        let hosts = Place::Hosts(vec![self.address.clone()]);
        Target { user: Some(user.to_owned()), password: Some(secret(password)), ..Target::new(hosts) }
    }

    /// The server for a new user with roles of the database `admin`.
    pub(crate) fn user(&self, roles: &[&str]) -> Target {
        let (name, password) = (format!("user-{}", USERS.fetch_add(1, Ordering::Relaxed)), PASSWORD);
        let roles: Vec<Document> = roles.iter().map(|role| doc! { "role": *role, "db": "admin" }).collect();
        self.run("admin", doc! { "createUser": &name, "pwd": password, "roles": roles, "mechanisms": ["SCRAM-SHA-256"] });
        self.target_of(&name, password)
    }

    /// What the server answers to one who may do everything.
    #[track_caller]
    pub(crate) fn run(&self, database: &str, command: Document) -> Document {
        let credentials = self.root.as_ref().map(|(user, password)| format!("{user}:{password}@")).unwrap_or_default();
        let uri = format!("mongodb://{credentials}{}/?directConnection=true", self.address);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = mongodb::Client::with_uri_str(uri).await.unwrap();
            let answer = client.database(database).run_command(command).await.unwrap();
            client.shutdown().await;
            answer
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// A password as a target has it.
pub(crate) fn secret(password: &str) -> lucid_policy::source::Secret {
    resolve(&SecretRef::Env("P".to_owned()), &|_| Some(password.to_owned())).unwrap()
}
