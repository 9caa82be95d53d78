//! The server of all tests of a process: `SeaweedFS`, started by the first that asks, and ended with the process.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// A pair of keys that the server knows.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    pub(crate) key: String,
    pub(crate) secret: String,
}

/// Where it is, and what opens it.
pub(crate) struct Server {
    pub(crate) http: String,
    https: String,
    /// The same buckets for whoever comes, whatever they sign.
    lax: String,
    /// Where toxiproxy takes orders, as `HOST:PORT`.
    pub(crate) proxies: String,
    /// The authority that has signed the certificate of `https`, in PEM.
    pub(crate) authority: String,
    /// One that has not.
    pub(crate) stranger: String,
    /// They may do everything.
    pub(crate) keys: Keys,
    /// They may read and list.
    reader: Keys,
    /// The buckets are on another server than ours.
    is_second: bool,
    /// Serves until its standard input ends, which it does with this process, however that ends.
    _process: Child,
}

impl Server {
    /// Where the buckets are over TLS.
    #[track_caller]
    pub(crate) fn https(&self) -> &str {
        self.own("TLS with a certificate of an authority that the test knows");
        &self.https
    }

    /// Where the buckets are for whoever comes.
    #[track_caller]
    pub(crate) fn lax(&self) -> &str {
        self.own("a side that checks no signature, so that a proxy may take headers away");
        &self.lax
    }

    /// The keys of one who may only read.
    #[track_caller]
    pub(crate) fn reader(&self) -> &Keys {
        self.own("keys of one who may only read");
        &self.reader
    }

    #[track_caller]
    fn own(&self, what: &str) {
        assert!(!self.is_second, "not tried: the server of LUCID_TEST_S3 is not known to have {what}");
    }
}

static SERVER: OnceLock<Server> = OnceLock::new();

/// The server, up and answering.
pub(crate) fn server() -> &'static Server {
    SERVER.get_or_init(start)
}

fn start() -> Server {
    let mut script = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/s3/serve"));
    let mut process = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("tests/s3/serve runs: see tests/setup");
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let told: Value = serde_json::from_str(&line).expect("tests/s3/serve says where the server is; if not, it has said why");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let keys = |role: &str| Keys { key: text(&told["keys"][role][0]), secret: text(&told["keys"][role][1]) };
    let second = second_opinion();
    let is_second = second.is_some();
    let (http, all) = second.unwrap_or_else(|| (text(&told["http"]), keys("all")));
    Server {
        http,
        https: text(&told["https"]),
        lax: text(&told["lax"]),
        proxies: text(&told["proxies"]),
        authority: text(&told["authority"]),
        stranger: text(&told["stranger"]),
        keys: all,
        reader: keys("reader"),
        is_second,
        _process: process,
    }
}

/// Another server, which somebody has started by hand: `LUCID_TEST_S3=http://KEY:SECRET@HOST:PORT`. What is tested on other faces of the
/// server (TLS, other keys, no conditions) it has not: such a test fails and says so.
fn second_opinion() -> Option<(String, Keys)> {
    let url = env::var("LUCID_TEST_S3").ok()?;
    let read = || {
        let (keys, host) = url.strip_prefix("http://")?.rsplit_once('@')?;
        let (key, secret) = keys.split_once(':')?;
        Some((format!("http://{host}"), Keys { key: key.to_owned(), secret: secret.to_owned() }))
    };
    Some(read().expect("LUCID_TEST_S3=http://KEY:SECRET@HOST:PORT"))
}
