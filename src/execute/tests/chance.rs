//! Numbers at random, the same for the same seed everywhere, and manifests made of them.

use super::world::STORES;
use super::yard::CONTAINERS;

/// The same numbers for the same seed, everywhere.
pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn new(seed: u64, stream: u64) -> Self {
        let mut rng = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ stream.wrapping_mul(0xd1b5_4a32_d192_ed03));
        rng.next();
        rng
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.next() % n.max(1)
    }

    pub(super) fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from + 1)
    }

    pub(super) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }

    pub(super) fn pick<'a, T>(&mut self, from: &'a [T]) -> Option<&'a T> {
        let at = usize::try_from(self.below(from.len() as u64)).unwrap();
        from.get(at)
    }
}

/// A manifest at random: two policies over the two stores.
pub(super) fn manifest(rng: &mut Rng) -> String {
    let mut text = String::from("version = 1\nname = \"lucid\"\ntimezone = \"Etc/UTC\"\n[run]\nconcurrency = 1\n");
    if rng.percent(60) {
        text.push_str("[guard]\nmax_delete_fraction = 1.0\n");
    }
    for store in STORES {
        if store == "offsite" && rng.percent(40) {
            text.push_str("[store.s3.offsite]\nbucket = \"backups\"\n");
            if rng.percent(75) {
                text.push_str(&format!("object_lock = {{ mode = \"governance\", for = \"{}h\" }}\n", rng.between(3, 60)));
            }
        } else {
            text.push_str(&format!("[store.directory.{store}]\npath = \"/stores/{store}\"\n"));
        }
        if rng.percent(25) {
            text.push_str(&format!("backfill = \"{}\"\n", rng.pick(&["newest", "none"]).unwrap()));
        }
    }
    let stops = services(rng, &mut text);
    for (source, stop) in
        ["[source.files.tree]\npaths = [\"/srv/tree\"]\n", "[source.command.dump]\ncommand = [\"dump\"]\n"].iter().zip(&stops)
    {
        text.push_str(source);
        if !stop.is_empty() {
            text.push_str(&format!("stop = [{}]\n", stop.join(", ")));
        }
    }
    text.push_str("[schedule]\n");
    for policy in ["trees", "dumps"] {
        let cron = ["0 * * * *", "0 */6 * * *", "30 2,14 * * *", "0 2 * * *", "0 1 * * 0"];
        text.push_str(&format!("{policy} = {{ cron = \"{}\" }}\n", rng.pick(&cron).unwrap()));
    }
    text.push_str("[retention]\n");
    for rule in ["ra", "rb", "rc"] {
        text.push_str(&format!("{rule} = {{ {} }}\n", retention(rng)));
    }
    for ((policy, source), stop) in [("trees", "tree"), ("dumps", "dump")].into_iter().zip(&stops) {
        let stores = ["\"local\", \"offsite\"", "\"local\", \"offsite\"", "\"local\", \"offsite\"", "\"offsite\", \"local\"", "\"local\""];
        let stores = *rng.pick(&stores).unwrap();
        text.push_str(&format!("[policy.{policy}]\nsource = \"{source}\"\nstores = [{stores}]\n"));
        if rng.percent(95) {
            text.push_str(&format!("schedule = \"{policy}\"\n"));
        }
        if rng.percent(95) {
            text.push_str(&format!("retention = \"{}\"\n", rng.pick(&["ra", "rb", "rc"]).unwrap()));
        }
        if rng.percent(70) {
            let at = if stores.contains("offsite") { *rng.pick(&STORES).unwrap() } else { "local" };
            text.push_str(&format!("retention_at = {{ {at} = \"{}\" }}\n", rng.pick(&["ra", "rb", "rc"]).unwrap()));
        }
        if rng.percent(15) {
            text.push_str(&format!("rpo = \"{}h\"\n", rng.between(2, 60)));
        }
        let late = rng.between(1, 12);
        if !stop.is_empty() {
            text.push_str(&format!("catch_up_within = \"{}h\"\n", late * 24));
        } else if rng.percent(15) {
            text.push_str(&format!("catch_up_within = \"{late}h\"\n"));
        }
        if rng.percent(6) {
            text.push_str(&format!("state = \"{}\"\n", rng.pick(&["paused", "retired"]).unwrap()));
        }
    }
    text
}

/// Services, and what each of the two sources stops. Each needs those before it, so that the order of calls is always the same.
fn services(rng: &mut Rng, text: &mut String) -> [Vec<String>; 2] {
    let mut stops = [Vec::new(), Vec::new()];
    if !rng.percent(60) {
        return stops;
    }
    let mut before: Vec<String> = Vec::new();
    let mut declare = |kind: &str, service: &str, keys: &str, before: &mut Vec<String>| {
        text.push_str(&format!("[service.{kind}.{service}]\ndepends_on = [{}]\n{keys}", before.join(", ")));
        before.push(format!("\"{service}\""));
    };
    for container in CONTAINERS {
        let mode = if rng.percent(25) { "mode = \"pause\"\n" } else { "" };
        declare("container", container, mode, &mut before);
    }
    declare("command", "flag", "quiesce = [\"quiesce\"]\nresume = [\"resume\"]\n", &mut before);
    for stop in &mut stops {
        let often = *rng.pick(&[0, 40, 70]).unwrap();
        stop.extend(before.iter().filter(|_| rng.percent(often)).cloned());
    }
    stops
}

fn retention(rng: &mut Rng) -> String {
    let mut keys = Vec::new();
    for (key, chance, most) in
        [("keep_last", 50, 5), ("keep_hourly", 20, 8), ("keep_daily", 50, 7), ("keep_weekly", 35, 4), ("keep_monthly", 20, 3)]
    {
        if rng.percent(chance) {
            keys.push(format!("{key} = {}", rng.between(1, most)));
        }
    }
    if rng.percent(40) || keys.is_empty() {
        keys.push(format!("keep_within = \"{}h\"", rng.between(6, 240)));
    }
    keys.push(format!("min_count = {}", rng.between(1, 3)));
    keys.push(format!("min_age = \"{}h\"", rng.pick(&[1, 1, 2, 12, 24, 48]).unwrap()));
    if rng.percent(20) {
        keys.push("keep_oldest_until_full = true".to_owned());
    }
    keys.join(", ")
}
