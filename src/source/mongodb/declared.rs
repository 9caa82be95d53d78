//! A source of a manifest as something that can be asked: its container's address, its secrets, its certificates.
//!
//! The address of a container is looked up every time: it changes with every start.

use std::net::SocketAddr;

use super::error::MongoError;
use super::probe::probe;
use super::rights::Need;
use super::target::{Patience, Place, Target, Tls};
use crate::model::id::Name;
use crate::model::{MongodbPlace, MongodbSource, SecretRef};
use crate::runtime::seen::{Container, Picture, State};
use crate::source::port::{Probe, SourceError};
use crate::source::secret::resolve;

/// A source, and what is needed to find it.
#[derive(Clone, Copy)]
pub struct Declared<'a> {
    /// Its name.
    pub name: &'a Name,
    /// What the manifest says of it.
    pub source: &'a MongodbSource,
    /// Looks up the environment, for secrets.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
}

impl Declared<'_> {
    /// Where it is and what opens it. `engine` is what was seen of the container engine, if it is needed and answered.
    pub fn target(&self, engine: Option<&Picture>) -> Result<Target, SourceError> {
        let place = match &self.source.place {
            MongodbPlace::Uri(uri) => Place::Uri(uri.clone()),
            MongodbPlace::Container { name, port } => {
                let address = engine.ok_or_else(|| "the container engine does not answer".to_owned());
                let address = address.and_then(|engine| address_of(engine, name, *port));
                Place::Hosts(vec![address.map_err(|why| SourceError::Unusable(format!("source `{}`: {why}", self.name)))?])
            }
        };
        let secret = |source| SourceError::Secret { name: self.name.to_string(), source };
        let password = self.source.password.as_ref().map(|password| resolve(password, self.variable)).transpose().map_err(secret)?;
        let tls = self.source.tls.as_ref().map(|tls| Tls { ca_file: tls.ca_file.clone(), certificate_file: tls.certificate_file.clone() });
        let (user, auth_database) = (self.source.username.clone(), self.source.auth_database.clone());
        Ok(Target { place, user, password, auth_database, tls, patience: Patience::default() })
    }

    /// Whether it can be used for what is wanted of it. A password that a command prints is not asked for, so neither is the server.
    pub fn probe(&self, need: Need, engine: Option<&Picture>) -> Probe {
        if matches!(self.source.password, Some(SecretRef::Command(_))) {
            return Probe::NotChecked;
        }
        let asked = self.target(engine).and_then(|target| probe(&target, need).map_err(|error| self.failed(error)));
        match asked {
            Ok(_) => Probe::Ready,
            Err(SourceError::Secret { .. }) => Probe::NotChecked,
            Err(error) => Probe::Unusable(error.to_string()),
        }
    }

    /// An error of this source.
    pub fn failed(&self, why: MongoError) -> SourceError {
        SourceError::Mongodb { name: self.name.to_string(), why: Box::new(why) }
    }
}

/// The address of a port in a container, as this host reaches it.
fn address_of(engine: &Picture, name: &str, port: u16) -> Result<String, String> {
    let Some(container) = engine.containers.iter().find(|container| container.name == name) else {
        return Err(format!("there is no container `{name}`"));
    };
    if container.state != State::Running {
        return Err(format!("container `{name}` does not run: it is {}", container.state.as_str()));
    }
    // one that lives in another's network is reached as that one is
    let home = |id: &String| engine.containers.iter().find(|other| other.id == *id && !other.addresses.is_empty());
    let networked: &Container =
        if container.addresses.is_empty() { container.shares.iter().find_map(home).unwrap_or(container) } else { container };
    // the networks of an engine elsewhere are not this host's, and `0.0.0.0` of it names no host at all
    let inside = networked.addresses.first().filter(|_| engine.engine.local).map(|address| SocketAddr::new(*address, port));
    let published =
        || networked.ports.iter().map(|(inner, at)| (*inner, *at)).find(|(inner, at)| *inner == port && !at.ip().is_unspecified());
    match inside.or_else(|| published().map(|(_, at)| at)) {
        Some(at) => Ok(at.to_string()),
        None => Err(format!("port {port} of container `{name}` cannot be reached from this host: name the server by `uri` instead")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::{Memory, Runtime, running};

    fn seen(containers: Vec<Container>) -> Picture {
        Memory::new(containers).picture().unwrap()
    }

    fn at(address: &str) -> Vec<std::net::IpAddr> {
        vec![address.parse().unwrap()]
    }

    #[test]
    fn a_container_is_reached_in_its_own_network() {
        let published = vec![(27017, "0.0.0.0:4000".parse().unwrap()), (27017, "10.1.2.3:4000".parse().unwrap())];
        let db = Container { addresses: at("172.18.0.5"), ports: published, ..running("db") };
        assert_eq!(address_of(&seen(vec![db.clone()]), "db", 27017).as_deref(), Ok("172.18.0.5:27017"));
        let six = Container { addresses: at("fd00::5"), ..db.clone() };
        assert_eq!(address_of(&seen(vec![six]), "db", 27018).as_deref(), Ok("[fd00::5]:27018"));
        let distant = Picture { engine: crate::runtime::seen::Engine { local: false, ..seen(vec![]).engine }, ..seen(vec![db]) };
        assert_eq!(address_of(&distant, "db", 27017).as_deref(), Ok("10.1.2.3:4000"));
        assert!(address_of(&distant, "db", 27018).unwrap_err().contains("cannot be reached from this host"));
    }

    #[test]
    fn one_that_lives_in_anothers_network_is_reached_there() {
        let proxy = Container { addresses: at("172.18.0.6"), ..running("proxy") };
        let db = Container { shares: vec![proxy.id.clone()], ..running("db") };
        assert_eq!(address_of(&seen(vec![db, proxy]), "db", 27017).as_deref(), Ok("172.18.0.6:27017"));
    }

    #[test]
    fn a_container_that_is_not_there_or_does_not_run_is_named() {
        let paused = Container { state: State::Paused, ..running("db") };
        assert_eq!(address_of(&seen(vec![paused]), "db", 1).unwrap_err(), "container `db` does not run: it is paused");
        assert_eq!(address_of(&seen(vec![]), "db", 1).unwrap_err(), "there is no container `db`");
    }
}
