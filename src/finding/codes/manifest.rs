//! Codes of what is wrong in a manifest. Each has a fixture under `tests/integration/manifests/invalid`.

codes! { Manifest;
    SYNTAX error "syntax", "not TOML",
        "The text cannot be read as TOML. One slip often breaks many lines after it, so only the first two places are shown. A file with a syntax error is read as far as possible, but nothing is planned from it.";
    TOML_1_1 warning "toml-1-1", "syntax that editors refuse",
        "This is TOML 1.1, which this program reads, but most editors, formatters and other tools know TOML 1.0 only and will mark the file as broken. Write inline tables on one line and without a comma at their end.";
    UNKNOWN_KEY error "unknown-key", "a key that has no meaning here",
        "Unknown keys are errors because a misspelt key would otherwise silently do nothing. The help names the nearest key, or all keys that the table knows.";
    MISSING_KEY error "missing-key", "a key that must be there",
        "The table cannot mean anything without this key, and no default would be right for everyone.";
    WRONG_TYPE error "wrong-type", "a value of another type",
        "The key is known, but its value is of another type than it needs, for example a number instead of a text, or a text instead of a list. A list with one element is still a list and needs its brackets.";
    BAD_VALUE error "bad-value", "a value that is none of the choices",
        "The key is known and its value has the right type, but only certain values have a meaning. The message names them.";
    OUT_OF_RANGE error "out-of-range", "a number outside of its range",
        "The number is of the right type but too small or too large to mean anything. Rules that count (`keep_daily` and the like) are at least 1: leave the key out to have no such rule.";
    EMPTY_LIST error "empty-list", "a list with nothing in it",
        "A policy without stores, a source without paths and a command without a program cannot do anything; leaving the list empty is never how to switch something off. Use `state = \"paused\"` or `\"retired\"` for that.";
    UNSUPPORTED_VERSION error "unsupported-version", "a manifest of another version",
        "`version` is the version of the manifest's language, and this program reads version 1. A newer manifest needs a newer program.";
    NOT_IN_THIS_VERSION error "not-in-this-version", "a table that this version does not have",
        "The word belongs to the language of manifests, but what it describes is not part of this version of the program. It is refused rather than ignored, because an ignored table looks like a backup that is being made.";
    UNKNOWN_KIND error "unknown-kind", "a kind of store, source or service that is not known",
        "Stores, sources and services are written `[store.KIND.NAME]`, `[source.KIND.NAME]` and `[service.KIND.NAME]`. The kind is either misspelt, left out, or not part of this version.";
    STATED_TWICE error "stated-twice", "one setting in two places",
        "A manifest may be a folder of files, but nothing overrides anything: every setting stands once in all of them.";
    DUPLICATE_NAME error "duplicate-name", "one name for two things",
        "A name is unique among all tables of its noun, across kinds and across files: `stores = [\"nas\"]` must mean one store. Rename one of the two.";
    BAD_NAME error "bad-name", "a name with other letters than names have",
        "Names become parts of paths, keys and addresses. They consist of a-z, 0-9 and -, are at most 63 long and do not start with -.";
    UNKNOWN_STORE error "unknown-store", "a store that is not declared",
        "The policy names a store for which there is no `[store.KIND.NAME]` table in any file of the manifest.";
    UNKNOWN_SOURCE error "unknown-source", "a source that is not declared",
        "The policy names a source for which there is no `[source.KIND.NAME]` table in any file of the manifest.";
    UNKNOWN_SCHEDULE error "unknown-schedule", "a schedule that is not declared",
        "The policy names a schedule that `[schedule]` does not have. A schedule is declared once and named by policies: write the cron line there, not in the policy.";
    UNKNOWN_RETENTION error "unknown-retention", "a retention that is not declared",
        "The policy names a retention that `[retention]` does not have. Rules are declared once and named by policies.";
    UNKNOWN_POLICY error "unknown-policy", "a policy that is not declared",
        "`base` names the policy whose artifacts this one continues, and there is no `[policy.NAME]` table for it.";
    UNKNOWN_SERVICE error "unknown-service", "a service that is not declared",
        "`stop` and `restore_stop` of a source and `depends_on` of a service name services, and there is no `[service.KIND.NAME]` table for this one in any file of the manifest. What is named is the table, not the container.";
    UNKNOWN_ZONE error "unknown-zone", "a time zone that does not exist",
        "Zones are IANA names such as `Europe/Berlin`; upper and lower case matter. Abbreviations such as `CEST` are no zones: they name an offset, which is wrong for half of the year.";
    UNKNOWN_LINT error "unknown-lint", "a lint that does not exist",
        "`[lint.CODE]` sets the level of a lint, and no lint has this code. Errors have codes too, but no levels.";
    BAD_DURATION error "bad-duration", "not a duration",
        "A duration is a whole number with a unit: s, min, h, d, w, mo, y, as in `30d` or `1d12h`. A bare `m` is refused because it may be minutes or months, and the difference decides what is deleted.";
    BAD_SIZE error "bad-size", "not a size",
        "A size is a whole number with a unit: B, KiB, MiB, GiB, TiB (powers of 1024) or kB, MB, GB, TB (powers of 1000), as in `50GiB`.";
    BAD_CRON error "bad-cron", "not a crontab line",
        "A schedule has the five fields of crontab(5): minute, hour, day of month, month, day of week (0 and 7 are Sunday). If both day fields are restricted, either may match. Ranges go upward; `@daily` and its like are known, `@reboot` is not a time.";
    CRON_NEVER_FIRES error "cron-never-fires", "a schedule without any instant",
        "The fields are well formed, but no calendar has such a day, as with 31 February. A policy with this schedule would wait for ever.";
    BAD_PATTERN error "bad-pattern", "not a pattern",
        "Patterns in `paths` and `exclude` know `*`, `?`, `[...]`, `{a,b}` and `**`. This one cannot be read, for example because a bracket is open.";
    BAD_PATH error "bad-path", "not a usable path",
        "A path must not be empty. Relative paths count from the manifest's folder; `~` and variables are not expanded, because the same manifest must mean the same for every user.";
    EMPTY_RETENTION error "empty-retention", "a retention without any rule",
        "Without a `keep_` rule nothing is kept but the floors, so almost everything would be deleted at the next run. To keep everything, leave `retention` out of the policy; to keep a few, write a rule.";
    DUPLICATE_STORE error "duplicate-store", "one store twice in a list",
        "Each store of a policy holds every artifact once. The first of the list is written first, the others are copies, so a repetition has no meaning.";
    STORE_NOT_IN_POLICY error "store-not-in-policy", "a rule for a store that the policy does not use",
        "`retention_at` and `rpo_at` refine what holds for one of the policy's own stores. A rule for another store would never apply.";
    SERIES_SHARED error "series-shared", "two policies that write one series",
        "A series is the line of artifacts that one policy makes: it decides what is due and what retention may delete. Two writers would delete each other's artifacts. Set another `series`, or remove one policy.";
    STORES_OVERLAP error "stores-overlap", "one store inside another",
        "Two stores in the same folder, or one in a folder of the other, share their bytes and their fate: a copy between them protects nothing, and each takes the other's files for foreign ones.";
    STORE_INSIDE_SOURCE error "store-inside-source", "a store inside of its own source",
        "The source contains the folder of a store, so that every artifact would contain all artifacts before it and grow without end. Move the store or exclude its folder. The check compares paths as written: it cannot see symbolic links.";
    LABEL_COLLISION error "label-collision", "two paths under one label",
        "Inside an archive each path of a source stands under a label: its last component, unless `labels` says otherwise. Two paths with one label would be mixed. Set `labels`, one for each path. The label of a volume is its name, so a volume stands in a list once.";
    BAD_LABELS error "bad-labels", "labels that do not fit their paths",
        "`labels` has one label for each path, in the same order. A label is one path component, and a path with a pattern cannot have one: each folder that matches is labelled by its own last component.";
    SECRET_LITERAL error "secret-literal", "a secret written literally",
        "Manifests are committed to git and copied into every store. A secret is therefore always a reference: `{ env = \"NAME\" }`, `{ file = \"path\" }`, `{ env_file = \"path\", name = \"NAME\" }`, `{ credential = \"name\" }` or `{ command = [\"program\"] }`. Change the secret too if this file was shared.";
    SECRET_FORM error "secret-form", "a secret reference of no single form",
        "A secret reference has exactly one form: `env`, `file`, `env_file` together with `name`, `credential`, or `command`.";
    MONGODB_PLACE error "mongodb-place", "a server that is nowhere, or in two places",
        "A source of kind `mongodb` is one server or one replica set: either `container` names the container that it runs in, whose address is then looked up, or `uri` says where it is.";
    CAPTURE_NOT_OFFERED error "capture-not-offered", "a capture that the source cannot make",
        "`capture` says what is taken of a source. Files and commands are always taken as a whole: `capture = \"full\"`, which is also the default.";
    ONLY_WITH_LOG error "only-with-log", "a key for sources that have a log",
        "`base` and `pitr_window` belong to captures of a log that continues an earlier artifact, as a database's does. Files and commands have no log, and no source of this version has one.";
    ENCRYPTION_REQUIRED error "encryption-required", "a store that refuses what is not encrypted",
        "The store has `require_encryption`, and a policy that writes there names no recipients, so that whoever reads the store could read its artifacts. Name the public keys of those who may restore under `[encryption] recipients` or at the policy.";
    BAD_RECIPIENT error "bad-recipient", "something that nothing can be encrypted to",
        "Recipients are public keys: age's own (`age1...`), SSH keys of type ed25519 or RSA, hardware keys (`age1tag1...`, `age1tagpq1...`) and those of age plugins (`age1NAME1...`). Keys have checksums, so a mistyped one is found here and not when a backup is needed. At most 32 can stand together, and post-quantum ones not beside others.";
    SECRET_RECIPIENT error "secret-recipient", "a secret key in place of a public one",
        "`recipients` are public keys. A secret key in a manifest is in git, and in every store beside the backups that it opens, so it must be treated as leaked: make a new pair, write its public half, and capture again what must stay private. Its text is never shown.";
    DUPLICATE_RECIPIENT error "duplicate-recipient", "one key twice in a list",
        "Naming a key twice changes nothing about who can restore. Where a list should have two keys so that one may be lost, two times the same one is none to spare.";
    USER_WITHOUT_CONTAINER error "user-without-container", "a user of no container",
        "`user` says as whom a command runs inside of `container`. Without a container the command runs on this host, as the user who runs this program, and the key would do nothing. Set `container` or remove `user`.";
    READY_FORM error "ready-form", "keys of readiness that do not fit each other",
        "`ready` says when a service counts as awake: `started`, `healthy`, `port` together with `ready_port`, or `command` together with `ready_command`. A key of another form would do nothing, and without a container there is no health check and no port to ask.";
    DUPLICATE_SERVICE error "duplicate-service", "one service twice in a list",
        "A service is quiet or it is not: naming it twice has no meaning, and one of the two was probably meant to be another.";
    SERVICE_SHARED error "service-shared", "two services that are one",
        "Two `[service]` tables name the same container, or the same service of the same compose project. They could say different things of when it is quiet and when it is awake again. Keep one of them.";
}
