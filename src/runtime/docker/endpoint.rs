//! Where the engine is: found as Docker's own client finds it, then where Podman listens.
//!
//! The first that is set decides: `DOCKER_HOST`, `DOCKER_CONTEXT`, `currentContext` of the client's `config.json`; then the first socket
//! that is there. What is set and wrong is an error, never a reason to look elsewhere: it would be another engine.

use std::path::PathBuf;

use super::context;
use super::surroundings::Surroundings;
use crate::runtime::RuntimeError;

/// Where Docker listens, unless it is told otherwise.
const SOCKET: &str = "/var/run/docker.sock";
/// Where Podman listens for what speaks as Docker does.
const PODMAN: &str = "/run/podman/podman.sock";

/// Where an engine is, and how it is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// As it is shown, and written into journals: `unix:///var/run/docker.sock`.
    pub(super) shown: String,
    /// How it is spoken to.
    pub(super) way: Way,
}

/// How an engine is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// Over a socket of this host.
    Unix(PathBuf),
    /// Over TCP, in the clear, with what stands for `HOST:PORT`.
    Tcp(String),
    /// Over TLS, likewise, with the folder of `ca.pem`, `cert.pem` and `key.pem`.
    Tls(String, PathBuf),
}

/// What resolution reads of the disk.
pub(super) trait Disk {
    /// Whether something is at a path.
    fn exists(&self, path: &str) -> bool;
    /// The text of a file; none if it is not there.
    fn read(&self, path: &std::path::Path) -> std::io::Result<String>;
}

/// The engine that Docker's own client would speak to.
pub(super) fn resolve(around: &Surroundings, disk: &dyn Disk) -> Result<Endpoint, RuntimeError> {
    if let Some(host) = around.variable("DOCKER_HOST") {
        return named(&host, certificates_of_environment(around));
    }
    let context = match around.variable("DOCKER_CONTEXT") {
        Some(name) => Some(name),
        None => context::current(around, disk)?,
    };
    match context.filter(|name| name != "default") {
        Some(name) => {
            let context = context::read(&name, around, disk)?;
            named(&context.host, context.certificates)
        }
        None => Ok(local(around, disk)),
    }
}

/// An engine at a known place, as [`Endpoint::shown`] names it. Its certificates are those that would be used now.
pub(super) fn known(shown: &str, around: &Surroundings, disk: &dyn Disk) -> Result<Endpoint, RuntimeError> {
    match resolve(around, disk) {
        Ok(endpoint) if endpoint.shown == shown => Ok(endpoint),
        _ => named(shown, certificates_of_environment(around)),
    }
}

/// The first socket that is there; Docker's own where there is none, so that it is the one that is missed.
fn local(around: &Surroundings, disk: &dyn Disk) -> Endpoint {
    let personal = around.variable("XDG_RUNTIME_DIR");
    let below = |name: &str| personal.as_ref().map(|folder| format!("{}/{name}", folder.trim_end_matches('/')));
    let candidates = [Some(SOCKET.to_owned()), below("docker.sock"), Some(PODMAN.to_owned()), below("podman/podman.sock")];
    let found = candidates.into_iter().flatten().find(|path| disk.exists(path)).unwrap_or_else(|| SOCKET.to_owned());
    Endpoint { shown: format!("unix://{found}"), way: Way::Unix(found.into()) }
}

fn certificates_of_environment(around: &Surroundings) -> Option<PathBuf> {
    around.variable("DOCKER_TLS_VERIFY")?;
    around.variable("DOCKER_CERT_PATH").map(PathBuf::from).or_else(|| around.config_folder())
}

/// The endpoint of a `DOCKER_HOST`.
fn named(host: &str, certificates: Option<PathBuf>) -> Result<Endpoint, RuntimeError> {
    let wrong = |message: &str| Err(RuntimeError::Unreachable { endpoint: host.to_owned(), message: message.to_owned() });
    let Some((scheme, rest)) = host.split_once("://") else {
        return wrong("it names no protocol, such as `unix://` or `tcp://`");
    };
    let rest = rest.trim_end_matches('/');
    if rest.is_empty() {
        return wrong("nothing stands after its protocol");
    }
    let shown = format!("{scheme}://{rest}");
    let way = match (scheme, certificates) {
        ("unix", _) => Way::Unix(rest.into()),
        ("tcp" | "https", Some(folder)) => Way::Tls(with_port(rest, 2376), folder),
        ("tcp" | "http", _) => Way::Tcp(with_port(rest, 2375)),
        ("https", None) => return wrong("it wants certificates: set `DOCKER_TLS_VERIFY=1` and `DOCKER_CERT_PATH` to their folder"),
        ("ssh", _) => {
            return wrong(&format!(
                "`ssh://` is not spoken; forward its socket with `ssh -N -L /tmp/engine.sock:{SOCKET} {rest}`, and set \
                 `DOCKER_HOST=unix:///tmp/engine.sock`"
            ));
        }
        _ => return wrong(&format!("`{scheme}://` is not spoken; `unix://`, `tcp://`, `http://` and `https://` are")),
    };
    Ok(Endpoint { shown, way })
}

fn with_port(address: &str, port: u16) -> String {
    let after_host = address.rsplit_once(']').map_or(address, |(_, after)| after);
    if after_host.contains(':') { address.to_owned() } else { format!("{address}:{port}") }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io;
    use std::path::Path;
    use std::sync::Arc;

    use super::*;

    #[derive(Default)]
    struct Files(BTreeMap<String, String>);

    impl Disk for Files {
        fn exists(&self, path: &str) -> bool {
            self.0.contains_key(path)
        }
        fn read(&self, path: &Path) -> io::Result<String> {
            match self.0.get(&*path.to_string_lossy()) {
                Some(text) if text == "forbidden" => Err(io::ErrorKind::PermissionDenied.into()),
                Some(text) => Ok(text.clone()),
                None => Err(io::ErrorKind::NotFound.into()),
            }
        }
    }

    fn files(files: &[(&str, &str)]) -> Files {
        Files(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
    }

    fn around(variables: &[(&str, &str)]) -> Surroundings {
        let variables: BTreeMap<String, String> = variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Surroundings { variable: Arc::new(move |name| variables.get(name).cloned()), home: Some("/home/ana".into()) }
    }

    #[track_caller]
    fn is(variables: &[(&str, &str)], disk: &Files, shown: &str, way: Way) {
        assert_eq!(resolve(&around(variables), disk), Ok(Endpoint { shown: shown.to_owned(), way }));
    }

    #[track_caller]
    fn fails(variables: &[(&str, &str)], disk: &Files, words: &[&str]) {
        let said = resolve(&around(variables), disk).expect_err("it is wrong").to_string();
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    }

    fn unix(path: &str) -> Way {
        Way::Unix(path.into())
    }

    fn far(file: &str) -> String {
        format!("/home/ana/.docker/contexts/{}", file.replace("ID", &context::digest("far")))
    }

    #[test]
    fn the_environment_comes_first() {
        let disk = files(&[("/var/run/docker.sock", ""), ("/home/ana/.docker/config.json", "not read")]);
        is(&[("DOCKER_HOST", "unix:///a.sock"), ("DOCKER_CONTEXT", "far")], &disk, "unix:///a.sock", unix("/a.sock"));
        is(&[("DOCKER_HOST", "tcp://box:99/")], &disk, "tcp://box:99", Way::Tcp("box:99".to_owned()));
        is(&[("DOCKER_HOST", "http://box")], &disk, "http://box", Way::Tcp("box:2375".to_owned()));
        is(&[("DOCKER_HOST", "tcp://[::1]")], &disk, "tcp://[::1]", Way::Tcp("[::1]:2375".to_owned()));
    }

    #[test]
    fn tls_is_spoken_where_it_is_asked_for() {
        let disk = Files::default();
        let (host, verify) = (("DOCKER_HOST", "tcp://box"), ("DOCKER_TLS_VERIFY", "1"));
        let tls = |folder: &str| Way::Tls("box:2376".to_owned(), folder.into());
        is(&[host, verify], &disk, "tcp://box", tls("/home/ana/.docker"));
        is(&[host, verify, ("DOCKER_CERT_PATH", "/c")], &disk, "tcp://box", tls("/c"));
        is(&[host, verify, ("DOCKER_CONFIG", "/d")], &disk, "tcp://box", tls("/d"));
        fails(&[("DOCKER_HOST", "https://box")], &disk, &["https://box", "DOCKER_CERT_PATH"]);
    }

    #[test]
    fn a_host_that_is_not_understood_is_refused() {
        let disk = Files::default();
        fails(&[("DOCKER_HOST", "/var/run/docker.sock")], &disk, &["names no protocol"]);
        fails(&[("DOCKER_HOST", "tcp://")], &disk, &["nothing stands after"]);
        fails(&[("DOCKER_HOST", "npipe://x")], &disk, &["`npipe://` is not spoken"]);
        fails(&[("DOCKER_HOST", "ssh://ana@box")], &disk, &["ssh -N -L", "ana@box", "DOCKER_HOST=unix://"]);
    }

    #[test]
    fn a_context_is_read_with_its_certificates() {
        let meta = far("meta/ID/meta.json");
        let text = r#"{"Name":"far","Metadata":{},"Endpoints":{"docker":{"Host":"tcp://far:1","SkipTLSVerify":false}}}"#;
        let plain = files(&[(&meta, text)]);
        is(&[("DOCKER_CONTEXT", "far")], &plain, "tcp://far:1", Way::Tcp("far:1".to_owned()));
        let config = ("/home/ana/.docker/config.json", r#"{"auths":{},"currentContext":"far"}"#);
        let ca = far("tls/ID/docker/ca.pem");
        let secured = files(&[(&meta, text), (&ca, ""), config]);
        is(&[], &secured, "tcp://far:1", Way::Tls("far:1".to_owned(), far("tls/ID/docker").into()));
        // `default` is no context that is kept.
        is(&[("DOCKER_CONTEXT", "default")], &secured, "unix:///var/run/docker.sock", unix("/var/run/docker.sock"));
        assert_eq!(known("tcp://far:1", &around(&[]), &secured), resolve(&around(&[]), &secured));
        let other = known("tcp://other:1", &around(&[]), &secured).expect("it is understood");
        assert_eq!(other.way, Way::Tcp("other:1".to_owned()));
    }

    #[test]
    fn a_context_that_cannot_be_read_is_an_error() {
        fails(
            &[("DOCKER_CONTEXT", "far")],
            &Files::default(),
            &["context `far`", "there is no such context", "/home/ana/.docker/contexts"],
        );
        fails(&[("DOCKER_CONTEXT", "far")], &files(&[(&far("meta/ID/meta.json"), "{")]), &["context `far`", "meta.json"]);
        fails(&[("DOCKER_CONTEXT", "far")], &files(&[(&far("meta/ID/meta.json"), "{}")]), &["names no Docker endpoint"]);
        let skip = r#"{"Endpoints":{"docker":{"Host":"tcp://far:1","SkipTLSVerify":true}}}"#;
        fails(&[("DOCKER_CONTEXT", "far")], &files(&[(&far("meta/ID/meta.json"), skip)]), &["SkipTLSVerify"]);
        fails(&[], &files(&[("/home/ana/.docker/config.json", "{")]), &["/home/ana/.docker/config.json"]);
        fails(&[], &files(&[("/home/ana/.docker/config.json", "forbidden")]), &["/home/ana/.docker/config.json", "permission denied"]);
    }

    #[test]
    fn without_a_word_the_first_socket_that_is_there_is_taken() {
        let run = ("XDG_RUNTIME_DIR", "/run/user/1");
        let sockets = ["/var/run/docker.sock", "/run/user/1/docker.sock", "/run/podman/podman.sock", "/run/user/1/podman/podman.sock"];
        for (at, socket) in sockets.iter().enumerate() {
            let there: Vec<(&str, &str)> = sockets[at..].iter().map(|path| (*path, "")).collect();
            is(&[run], &files(&there), &format!("unix://{socket}"), unix(socket));
        }
        is(&[run], &Files::default(), "unix:///var/run/docker.sock", unix("/var/run/docker.sock"));
        is(&[("DOCKER_HOST", "")], &Files::default(), "unix:///var/run/docker.sock", unix("/var/run/docker.sock"));
        // Without a home, there is nothing of the client's to read.
        let homeless = Surroundings { home: None, ..around(&[]) };
        assert!(resolve(&homeless, &Files::default()).is_ok());
    }

    #[test]
    fn contexts_are_filed_by_the_digest_of_their_name() {
        // As `printf far | sha256sum` has it.
        assert_eq!(context::digest("far"), "512eea46ceb3921dff4363c7069d89d4964d1d9fccaa0f411851a7aa60a5c868");
    }
}
