//! A target as the driver's settings.
//!
//! A connection string is for the driver to read, with two exceptions: it may hold no secret, as it stands in a manifest, and what the
//! driver says of a wrong one is only passed on because of that.

use std::str::FromStr;

use mongodb::options::{
    AuthMechanism, ClientOptions, ConnectionString, Credential, ReadPreference, ReadPreferenceOptions, SelectionCriteria, ServerAddress,
    Tls as DriverTls, TlsOptions,
};

use super::error::MongoError;
use super::target::{Parts, Place, Target};
use super::trust;

/// Under which this program is seen in the server's log.
const NAME: &str = "lucid-policy";
const ADMIN: &str = "admin";
/// Stands for the password while a connection string is read. The driver wants both or none.
const STAND_IN: &str = "x";
/// Options of a connection string that hold secrets, in lower case.
const SECRET_OPTIONS: [&str; 3] = ["tlscertificatekeyfilepassword", "authmechanismproperties", "proxypassword"];

const HOSTS: &str = "write it as `HOST` or `HOST:PORT`";
const URI: &str = "write it as `mongodb://HOST:PORT,.../DATABASE?OPTION=VALUE`";
const TWICE: &str = "say it in one place";

/// The driver's settings for a target.
pub(super) fn options(target: &Target) -> Result<ClientOptions, MongoError> {
    let place = target.place.to_string();
    let wrong = |message: String, help: &str| MongoError::Unusable { place: place.clone(), message, help: help.to_owned() };
    let mut options = match &target.place {
        Place::Hosts(hosts) => from_hosts(target, hosts, &wrong)?,
        Place::Uri(uri) => from_uri(target, uri, &wrong)?,
    };
    if let Some(credential) = &mut options.credential {
        if let Some(password) = &target.password {
            credential.password = Some(password.reveal().to_owned());
        } else if !matches!(credential.mechanism, Some(AuthMechanism::MongoDbX509)) {
            let user = credential.username.clone().unwrap_or_default();
            return Err(wrong(format!("user `{user}` has no password"), "give `password`"));
        }
    } else if target.password.is_some() {
        return Err(wrong("there is a password and no user".to_owned(), "give `username`"));
    }
    if let Some(tls) = &target.tls {
        if options.tls.is_some() {
            return Err(wrong("its connection string and its own keys both speak of TLS".to_owned(), TWICE));
        }
        trust::check(&place, tls)?;
        let mut driver = TlsOptions::default();
        driver.ca_file_path.clone_from(&tls.ca_file);
        driver.cert_key_file_path.clone_from(&tls.certificate_file);
        options.tls = Some(DriverTls::Enabled(driver));
    }
    if options.hosts.len() == 1 && options.repl_set_name.is_none() && options.direct_connection.is_none() {
        // a set names its members as they know each other, which is often not as they are reached from here
        options.direct_connection = Some(true);
    }
    // what is written is written by restores, and one that lost its connection begins again
    options.retry_writes = Some(false);
    options.app_name = Some(NAME.to_owned());
    // what is written again after an error is for who writes to decide
    options.retry_writes = Some(false);
    options.connect_timeout = Some(target.patience.connect);
    options.server_selection_timeout = Some(target.patience.select);
    if options.selection_criteria.is_none() {
        let preference = ReadPreference::PrimaryPreferred { options: Some(ReadPreferenceOptions::default()) };
        options.selection_criteria = Some(SelectionCriteria::ReadPreference(preference));
    }
    Ok(options)
}

fn from_hosts(target: &Target, hosts: &[String], wrong: &impl Fn(String, &str) -> MongoError) -> Result<ClientOptions, MongoError> {
    let address = |host: &String| {
        let bad = || wrong(format!("`{host}` is no address"), HOSTS);
        let plain = !host.is_empty() && !host.contains(['/', '@', '?', ',', ' ']);
        if plain { ServerAddress::parse(host).map_err(|_| bad()) } else { Err(bad()) }
    };
    let mut options = ClientOptions::default();
    options.hosts = hosts.iter().map(address).collect::<Result<_, _>>()?;
    if options.hosts.is_empty() {
        return Err(wrong("no address is named".to_owned(), HOSTS));
    }
    if let Some(user) = &target.user {
        let mut credential = Credential::default();
        credential.username = Some(user.clone());
        credential.source = Some(target.auth_database.clone().unwrap_or_else(|| ADMIN.to_owned()));
        options.credential = Some(credential);
    }
    Ok(options)
}

fn from_uri(target: &Target, uri: &str, wrong: &impl Fn(String, &str) -> MongoError) -> Result<ClientOptions, MongoError> {
    let parts = Parts::of(uri);
    match parts.scheme {
        "mongodb://" => {}
        "mongodb+srv://" => {
            return Err(wrong("`mongodb+srv://` asks a name server for the addresses, which is not done here".to_owned(), URI));
        }
        _ => return Err(wrong("its connection string does not begin with `mongodb://`".to_owned(), URI)),
    }
    let lower = parts.rest.to_ascii_lowercase();
    let options = lower.split_once('?').map_or("", |(_, options)| options).split('&');
    let mut names = options.filter_map(|option| option.split('=').next());
    let secret = names.find(|name| SECRET_OPTIONS.contains(name));
    if parts.user.contains(':') || secret.is_some() {
        let what = secret.map_or("a password".to_owned(), |name| format!("a secret, `{name}`"));
        let help = "a manifest holds no secrets: give `password`, as a reference";
        return Err(wrong(format!("its connection string holds {what}"), help));
    }
    let named = parts.user.trim_end_matches('@');
    let user = match (&target.user, named) {
        (Some(_), named) if !named.is_empty() => return Err(wrong("two users are named".to_owned(), TWICE)),
        (Some(user), _) => encoded(user),
        (None, named) => named.to_owned(),
    };
    let stand_in = if user.is_empty() || target.password.is_none() { String::new() } else { format!(":{STAND_IN}") };
    let at = if user.is_empty() { "" } else { "@" };
    let whole = format!("{}{user}{stand_in}{at}{}{}", parts.scheme, parts.hosts, parts.rest);
    let bad = |error: mongodb::error::Error| wrong(format!("its connection string cannot be used: {}", error.kind), URI);
    let mut parsed = ConnectionString::from_str(&whole).map_err(bad)?;
    if let (Some(credential), Some(database)) = (&mut parsed.credential, &target.auth_database) {
        credential.source = Some(database.clone());
    }
    // waits for nothing: only `mongodb+srv` asks anybody
    futures_util::FutureExt::now_or_never(async { ClientOptions::parse(parsed).await })
        .ok_or_else(|| wrong("its connection string needs a name server".to_owned(), URI))?
        .map_err(bad)
}

/// As a connection string has it.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut whole, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            whole.push(char::from(byte));
        } else {
            whole.push_str(&format!("%{byte:02X}"));
        }
        whole
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::SecretRef;
    use crate::source::mongodb::target::Tls;
    use crate::source::secret::resolve;

    fn uri(text: &str) -> Target {
        Target::new(Place::Uri(text.to_owned()))
    }

    fn with_password(target: Target) -> Target {
        let password = resolve(&SecretRef::Env("P".to_owned()), &|_| Some("p/w:d@".to_owned())).unwrap();
        Target { password: Some(password), ..target }
    }

    fn refused(target: &Target) -> String {
        let error = options(target).expect_err("it is refused");
        assert!(!error.help().is_empty());
        error.to_string()
    }

    #[test]
    fn one_host_is_spoken_to_directly_and_several_are_a_set() {
        let hosts = |hosts: &[&str]| Target::new(Place::Hosts(hosts.iter().map(|&host| host.to_owned()).collect()));
        let one = options(&hosts(&["db"])).unwrap();
        assert_eq!((one.hosts[0].to_string(), one.direct_connection), ("db:27017".to_owned(), Some(true)));
        assert_eq!(options(&hosts(&["a:1", "b:2"])).unwrap().direct_connection, None);
        assert_eq!(options(&uri("mongodb://a:1")).unwrap().direct_connection, Some(true));
        assert_eq!(options(&uri("mongodb://a:1/?replicaSet=r")).unwrap().direct_connection, None);
        assert_eq!(refused(&hosts(&[])), "mongodb://: no address is named");
        for bad in ["", "a:b:c", "a:99999", "u@a", "a/b", "a,b"] {
            assert!(refused(&hosts(&[bad])).ends_with(&format!("`{bad}` is no address")), "{bad}");
        }
    }

    #[test]
    fn a_user_comes_from_the_keys_or_from_the_connection_string() {
        let credential = |target: &Target| options(target).unwrap().credential.unwrap();
        let keys = with_password(Target { user: Some("ann@x".to_owned()), ..Target::new(Place::Hosts(vec!["a".to_owned()])) });
        let seen = credential(&keys);
        assert_eq!((seen.username.as_deref(), seen.password.as_deref()), (Some("ann@x"), Some("p/w:d@")));
        assert_eq!(seen.source.as_deref(), Some("admin"));
        let beside = with_password(Target { user: Some("ann@x".to_owned()), ..uri("mongodb://a/shop?authSource=users") });
        let seen = credential(&beside);
        assert_eq!((seen.username.as_deref(), seen.password.as_deref()), (Some("ann@x"), Some("p/w:d@")));
        assert_eq!(seen.source.as_deref(), Some("users"));
        let inside = with_password(Target { auth_database: Some("own".to_owned()), ..uri("mongodb://ann%40x@a/shop") });
        let seen = credential(&inside);
        assert_eq!((seen.username.as_deref(), seen.source.as_deref()), (Some("ann@x"), Some("own")));
        assert!(refused(&with_password(Target { user: Some("b".to_owned()), ..uri("mongodb://ann@a") })).ends_with("two users are named"));
        assert!(refused(&uri("mongodb://ann@a")).ends_with("user `ann` has no password"));
        assert!(refused(&with_password(uri("mongodb://a"))).ends_with("there is a password and no user"));
    }

    #[test]
    fn a_connection_string_holds_no_secret() {
        for bad in [
            "mongodb://ann:s3cret@a",
            "mongodb://ann:s3/c@ret@a/?tls=true",
            "mongodb://a/?tls=true&tlsCertificateKeyFilePassword=s3cret",
            "mongodb://a/?authMechanismProperties=AWS_SESSION_TOKEN:s3cret",
        ] {
            let said = refused(&uri(bad));
            assert!(said.contains("its connection string holds a") && !said.contains("s3c"), "{said}");
        }
        assert!(refused(&uri("mongodb+srv://a")).contains("asks a name server"));
        assert!(refused(&uri("postgres://a")).contains("does not begin with `mongodb://`"));
        assert!(refused(&uri("mongodb://a/?readPreference=never")).contains("cannot be used"));
    }

    #[test]
    fn files_of_certificates_are_looked_into() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f.pem");
        let ca = |ca_file| Target { tls: Some(Tls { ca_file: Some(ca_file), ..Tls::default() }), ..uri("mongodb://a") };
        assert!(refused(&ca(file.clone())).contains("cannot be read"));
        std::fs::write(&file, "text").unwrap();
        assert!(refused(&ca(file.clone())).ends_with("holds no certificate"));
        std::fs::write(&file, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        assert!(refused(&ca(file.clone())).contains("holds what is no certificate"));
        let tls = Tls { certificate_file: Some(file), ..Tls::default() };
        let own = Target { tls: Some(tls.clone()), ..uri("mongodb://a") };
        assert!(refused(&own).ends_with("holds no private key, or one behind a password"));
        assert!(refused(&Target { tls: Some(tls), ..uri("mongodb://a/?tls=true") }).ends_with("both speak of TLS"));
    }

    #[test]
    fn limits_are_the_targets() {
        let mut target = uri("mongodb://a/?connectTimeoutMS=1");
        target.patience.connect = Duration::from_secs(7);
        let options = options(&target).unwrap();
        assert_eq!(
            (options.connect_timeout, options.server_selection_timeout),
            (Some(Duration::from_secs(7)), Some(target.patience.select))
        );
    }
}
