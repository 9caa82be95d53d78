//! A bucket that cannot be used: what is wrong is said in words, the program ends, and nothing was done.

use std::fs;

use crate::shared::Ran;
use crate::support::{Bucket, Keys, Proxy, Site, server};

/// Neither verb goes on, both say these words, and no secret is said.
#[track_caller]
fn refused(site: &Site, words: &[&str]) -> Ran {
    let _ = site.world.run("plan").ends(4).says(words).hides(&[&server().keys.secret]);
    let ran = site.world.run("apply --yes").ends(4).says(words).hides(&[&server().keys.secret]);
    assert_eq!(site.bucket.keys(""), Vec::<String>::new(), "{ran}");
    ran
}

/// The same site for whoever has these keys.
fn with_keys(site: Site, keys: &Keys) -> Site {
    let world = site.world.given("AWS_ACCESS_KEY_ID", &keys.key).given("AWS_SECRET_ACCESS_KEY", &keys.secret);
    Site { world, ..site }
}

#[test]
fn a_bucket_that_is_not_there() {
    let site = Site::streamed();
    site.world.edit(&format!("bucket = \"{}\"", site.bucket.name), "bucket = \"nowhere-at-all\"");
    let _ = refused(&site, &["store `offsite`", "nowhere-at-all"]);
}

#[test]
fn a_key_that_the_server_does_not_know() {
    let unknown = Keys { key: "AKNOBODY".to_owned(), secret: "nothing".to_owned() };
    let site = with_keys(Site::streamed(), &unknown);
    let _ = refused(&site, &["store `offsite`", &site.bucket.name]);
}

#[test]
fn a_secret_that_does_not_fit_its_key() {
    let wrong = Keys { secret: "planted-secret".to_owned(), ..server().keys.clone() };
    let site = with_keys(Site::streamed(), &wrong);
    let _ = refused(&site, &["store `offsite`", &site.bucket.name]).hides(&["planted-secret"]);
}

#[test]
fn no_credentials_at_all() {
    let site = Site::streamed();
    let mut command = site.world.command(&["apply", "--yes"]);
    command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    let _ = site.world.finish(&mut command).ends(4).says(&["store `offsite`", "credentials"]);
    assert_eq!(site.bucket.keys(""), Vec::<String>::new());
}

#[test]
fn one_that_may_only_read() {
    let site = Site::streamed();
    let _ = site.world.run("apply").good();
    let site = with_keys(site, server().reader());
    let _ = site.world.run("plan --detailed-exitcode").good();
    let _ = site.world.run("list").good().says(&["config on offsite"]);
    let before = site.bucket.objects("");
    let ran = site.world.run("apply --now --yes");
    assert_ne!(ran.code, 0, "{ran}");
    let _ = ran.says(&["store `offsite`"]).hides(&["done: capture"]);
    assert_eq!(site.bucket.objects(""), before);
}

#[test]
fn no_region_is_needed_where_the_server_is_named() {
    let site = Site::streamed();
    let mut command = site.world.command(&["plan"]);
    let _ = site.world.finish(command.env_remove("AWS_REGION")).good().says(&["+ init store.offsite"]);
}

#[test]
fn an_endpoint_where_nobody_listens() {
    let site = Site::streamed();
    let proxy = Proxy::new();
    site.through(&proxy.endpoint);
    proxy.goes_down();
    let _ = refused(&site, &["store `offsite`", proxy.endpoint.trim_start_matches("http://")]);
}

#[test]
fn an_endpoint_that_is_down_while_the_folder_is_there() {
    let site = Site::copied();
    let proxy = Proxy::new();
    site.through(&proxy.endpoint);
    let _ = site.world.run("apply").good();
    proxy.goes_down();
    let _ = site.world.run("apply --now").ends(4).says(&["store `offsite`", "done: capture:policy.config"]);
    assert_eq!((site.world.records("backups", "config").len(), site.records("config").len()), (2, 1));
    proxy.heals();
    let _ = site.world.run("apply").good().says(&["done: copy:policy.config"]).hides(&["done: capture"]);
    site.clean();
}

#[test]
fn tls_with_the_right_authority() {
    let site = Site::streamed();
    site.through(server().https());
    site.store(&format!("ca_file = \"{}\"", server().authority));
    let _ = site.world.run("apply").good();
    site.clean();
    site.restores();
}

#[test]
fn tls_with_another_authority() {
    let site = Site::streamed();
    site.through(server().https());
    site.store(&format!("ca_file = \"{}\"", server().stranger));
    let _ = refused(&site, &["store `offsite`", "certificate"]);
}

#[test]
fn tls_with_an_authority_that_nobody_has_named() {
    let site = Site::streamed();
    site.through(server().https());
    let _ = refused(&site, &["store `offsite`", "certificate", "ca_file"]);
}

#[test]
fn a_file_of_authorities_that_is_none() {
    let site = Site::streamed();
    site.through(server().https());
    site.store("ca_file = \"data/a.txt\"");
    let _ = refused(&site, &["store `offsite`", "data/a.txt"]);
    site.world.edit("data/a.txt\"\n", "absent.pem\"\n");
    let _ = refused(&site, &["store `offsite`", "absent.pem"]);
}

#[test]
fn tls_asked_of_a_port_without_it() {
    let site = Site::streamed();
    site.through(&server().http.replace("http://", "https://"));
    let _ = refused(&site, &["store `offsite`"]);
}

#[test]
fn another_store_under_a_known_name() {
    let site = Site::streamed();
    let _ = site.world.run("apply").good();
    let other = Bucket::new();
    site.world.edit(&site.bucket.name, &other.name);
    let _ = site.world.run("plan").ends(4).says(&["store `offsite`", "store accept offsite"]);
    let _ = site.world.run("apply --yes --now").ends(4);
    assert_eq!(other.keys(""), Vec::<String>::new());
    let _ = site.world.run("store accept offsite").good();
    let _ = site.world.run("apply --now").good();
    assert_ne!(other.keys(""), Vec::<String>::new());
}

#[test]
fn the_same_bucket_behind_two_names() {
    let site = Site::streamed();
    let text = fs::read_to_string(site.world.path("lucid-policy.toml")).unwrap();
    let start = text.find("[store.s3.offsite]").unwrap();
    let table = &text[start..start + text[start..].find("[schedule]").unwrap()];
    // Another name of the same host, so that the manifest alone does not show it.
    let second = table.replace("offsite", "second").replace("127.0.0.1", "localhost");
    site.world.file("lucid-policy.toml", text.replace("[schedule]", &format!("{second}[schedule]")));
    site.world.edit("stores = [\"offsite\"]", "stores = [\"offsite\", \"second\"]");
    let _ = site.world.run("apply --only policy.config");
    let _ = site.world.run("plan").ends(4).says(&["stores `offsite` and `second` are one place"]);
}

#[test]
fn secrets_are_in_no_output_and_in_no_file() {
    let site = Site::copied();
    let secret = server().keys.secret.clone();
    for words in ["apply", "plan --format json", "plan --out saved.json", "status", "list", "verify", "apply --now --format json", "graph"]
    {
        let _ = site.world.run(words).hides(&[&secret]);
    }
    for file in site.world.files(".") {
        let bytes = fs::read(site.world.path(&file)).unwrap();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{file}");
    }
    for key in site.bucket.keys("") {
        assert!(!site.bucket.get(&key).windows(secret.len()).any(|window| window == secret.as_bytes()), "{key}");
    }
}
