//! How the members of an archive that something else made come to lie below the labels of a source.
//!
//! Three ways are tried, in this order, and the first that fits every member is taken: the members' first folders are the labels; their
//! paths are where the source is, with or without the slash in front; or they are relative to the one root that the source has. Folders
//! above all roots hold nothing of the source, and are left out.
//!
//! Refused: an archive of which a member fits none of the ways; and, where only the last one is left, an archive of a single folder with
//! another name than the label, without the `./` that says where its root is: nobody knows whether that folder is the root or below it.

use std::collections::{BTreeMap, BTreeSet};

use crate::archive::entry::Kind;
use crate::archive::error::{MemberName, Refusal};
use crate::archive::unpack_tree::components;

/// Members that are named in a refusal.
const NAMED: usize = 3;

/// The name of a foreign member, or of what it links to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Path {
    /// Whether a slash is in front.
    absolute: bool,
    parts: Vec<Vec<u8>>,
}

impl Path {
    /// Reads a name; `.` and double slashes are dropped, `..` is refused.
    pub(super) fn read(name: &[u8]) -> Result<Self, Refusal> {
        let rest = name.iter().position(|byte| *byte != b'/').map_or(&b""[..], |at| &name[at..]);
        let absolute = rest.len() < name.len();
        let parts = if absolute && rest.is_empty() { Vec::new() } else { components(rest)? };
        Ok(Self { absolute, parts: parts.into_iter().map(<[u8]>::to_vec).collect() })
    }

    /// As a message has it.
    pub(super) fn shown(&self) -> MemberName {
        let joined = self.parts.join(&b'/');
        MemberName::new(match (self.absolute, self.parts.is_empty()) {
            (true, _) => [b"/", &*joined].concat(),
            (false, true) => b".".to_vec(),
            (false, false) => joined,
        })
    }
}

/// What of a source an archive can hold: labels, and where each is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots(BTreeMap<String, Vec<Vec<u8>>>);

impl Roots {
    /// From labels and the absolute paths behind them.
    pub fn new(labels: &BTreeMap<String, String>) -> Self {
        let parts = |origin: &String| Path::read(origin.as_bytes()).map(|path| path.parts).unwrap_or_default();
        Self(labels.iter().map(|(label, origin)| (label.clone(), parts(origin))).collect())
    }

    /// What members of an archive would have to look like, as a sentence has it.
    fn wanted(&self) -> String {
        let all = |names: Vec<String>| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let labels = all(self.0.keys().cloned().collect());
        let origins = all(self.0.values().map(|origin| MemberName::new(origin.join(&b'/')).to_string()).collect());
        let each = if self.0.len() == 1 { "" } else { "one of " };
        let relative = if self.0.len() == 1 { ", or relative to it, with `./` in front" } else { "" };
        format!("below {each}{labels} (the source's labels), below {each}{origins} (where it is){relative}")
    }
}

/// A way in which all members fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fit {
    /// Their first folders are labels.
    Labels,
    /// Their paths are where the source is.
    Origins,
    /// They are relative to the one root, which has this label.
    Relative(String),
}

/// Where a member goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Placed {
    /// Into the archive, below a label or as its root.
    At(Vec<u8>),
    /// Nowhere: it is a folder on the way to a root.
    Above,
}

impl Fit {
    /// Where a member goes; none if it does not fit.
    pub(super) fn place(&self, roots: &Roots, path: &Path, kind: Kind) -> Option<Placed> {
        let above = (kind == Kind::Directory).then_some(Placed::Above);
        let parts = &path.parts;
        match self {
            Self::Labels | Self::Relative(_) if path.absolute => None,
            Self::Labels => match parts.first() {
                None => above,
                Some(first) => roots.0.keys().any(|label| label.as_bytes() == first).then(|| Placed::At(parts.join(&b'/'))),
            },
            Self::Origins => {
                let ours = roots.0.iter().filter(|(_, origin)| parts.starts_with(origin));
                match ours.max_by_key(|(_, origin)| origin.len()) {
                    Some((label, origin)) => Some(Placed::At(below(label, &parts[origin.len()..]))),
                    None if roots.0.values().any(|origin| origin.starts_with(parts)) => above,
                    None => None,
                }
            }
            Self::Relative(label) => Some(Placed::At(below(label, parts))),
        }
    }
}

fn below(label: &str, parts: &[Vec<u8>]) -> Vec<u8> {
    let mut path = label.as_bytes().to_vec();
    for part in parts {
        path.push(b'/');
        path.extend_from_slice(part);
    }
    path
}

/// Why no way fits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{members} of its members {} not where the source's are, such as {}; expected is {wanted}", if *members == 1 { "is" } else { "are" }, listed(.some))]
pub struct Misfit {
    /// How many do not fit the best way.
    pub members: u64,
    /// Some of them.
    pub some: Vec<MemberName>,
    /// What was expected, as a sentence has it.
    pub wanted: String,
}

fn listed(names: &[MemberName]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The first way that fits every member.
pub(super) fn fit<'a>(roots: &Roots, members: impl Iterator<Item = (&'a Path, Kind)> + Clone) -> Result<Fit, Misfit> {
    let mut best: Option<Misfit> = None;
    for way in [Fit::Labels, Fit::Origins] {
        let (mut misfits, mut at) = (Vec::new(), false);
        let mut count = 0;
        for (path, kind) in members.clone() {
            match way.place(roots, path, kind) {
                Some(Placed::At(_)) => at = true,
                Some(Placed::Above) => {}
                None => {
                    count += 1;
                    if misfits.len() < NAMED {
                        misfits.push(path.shown());
                    }
                }
            }
        }
        if count == 0 && at {
            return Ok(way);
        }
        if count > 0 && best.as_ref().is_none_or(|best| count < best.members) {
            best = Some(Misfit { members: count, some: misfits, wanted: roots.wanted() });
        }
    }
    if let Some(label) = roots.0.keys().next().filter(|_| roots.0.len() == 1)
        && relative(members.clone())
    {
        return Ok(Fit::Relative(label.clone()));
    }
    Err(best.unwrap_or_else(|| Misfit {
        members: members.clone().count() as u64,
        some: members.take(NAMED).map(|(path, _)| path.shown()).collect(),
        wanted: roots.wanted(),
    }))
}

/// Whether members may be taken for what is below a root: none is absolute, and one folder is not all that there is, unless the root is
/// itself a member.
fn relative<'a>(members: impl Iterator<Item = (&'a Path, Kind)>) -> bool {
    let (mut rooted, mut files, mut firsts) = (false, false, BTreeSet::new());
    for (path, kind) in members {
        if path.absolute {
            return false;
        }
        match path.parts.as_slice() {
            [] if kind == Kind::Directory => rooted = true,
            [] => return false,
            [first, rest @ ..] => {
                files |= rest.is_empty() && kind != Kind::Directory;
                if firsts.len() < 2 {
                    firsts.insert(first);
                }
            }
        }
    }
    rooted || files || firsts.len() > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roots(all: &[(&str, &str)]) -> Roots {
        Roots::new(&all.iter().map(|(label, origin)| ((*label).to_owned(), (*origin).to_owned())).collect())
    }

    /// A way, and where each member goes; or what does not fit. A name with a slash at its end is a folder.
    fn tried(roots: &Roots, names: &[&str]) -> Result<(Fit, Vec<String>), String> {
        let kind = |name: &str| if name.ends_with('/') { Kind::Directory } else { Kind::File };
        let members: Vec<(Path, Kind)> = names.iter().map(|name| (Path::read(name.as_bytes()).unwrap(), kind(name))).collect();
        let fit = fit(roots, members.iter().map(|(path, kind)| (path, *kind))).map_err(|misfit| misfit.to_string())?;
        let placed = members.iter().map(|(path, kind)| match fit.place(roots, path, *kind).expect("all of them fit") {
            Placed::At(path) => String::from_utf8(path).unwrap(),
            Placed::Above => "-".to_owned(),
        });
        let placed = placed.collect();
        Ok((fit, placed))
    }

    #[track_caller]
    fn fits(roots: &Roots, names: &[&str], fit: &Fit, placed: &[&str]) {
        let placed: Vec<String> = placed.iter().map(|path| (*path).to_owned()).collect();
        assert_eq!(tried(roots, names), Ok((fit.clone(), placed)), "{names:?}");
    }

    #[test]
    fn members_are_put_below_the_labels_of_the_source() {
        let one = roots(&[("config", "/opt/lucid/config")]);
        let relative = Fit::Relative("config".to_owned());
        fits(&one, &["config/", "config/a"], &Fit::Labels, &["config", "config/a"]);
        fits(&one, &["./", "./config/", "./config/a"], &Fit::Labels, &["-", "config", "config/a"]);
        fits(&one, &["opt/lucid/config/", "opt/lucid/config/a"], &Fit::Origins, &["config", "config/a"]);
        fits(&one, &["/opt/lucid/config/a", "./opt//lucid/./config/b"], &Fit::Origins, &["config/a", "config/b"]);
        fits(&one, &["/", "opt/", "opt/lucid/", "opt/lucid/config/a"], &Fit::Origins, &["-", "-", "-", "config/a"]);
        fits(&one, &["./", "./a", "./b/"], &relative, &["config", "config/a", "config/b"]);
        fits(&one, &["a", "b/c"], &relative, &["config/a", "config/b/c"]);
        fits(&one, &["./", "./deep/", "./deep/b"], &relative, &["config", "config/deep", "config/deep/b"]);
        fits(&one, &["a"], &relative, &["config/a"]);
        let two = roots(&[("config", "/opt/lucid/config"), ("data", "/srv/data")]);
        fits(&two, &["data/x", "config/a"], &Fit::Labels, &["data/x", "config/a"]);
        fits(&two, &["srv/data/x", "opt/lucid/config/a"], &Fit::Origins, &["data/x", "config/a"]);
        fits(&two, &["srv/", "srv/data/x"], &Fit::Origins, &["-", "data/x"]);
        let file = roots(&[("app.conf", "/etc/app.conf")]);
        fits(&file, &["etc/app.conf"], &Fit::Origins, &["app.conf"]);
        fits(&file, &["app.conf"], &Fit::Labels, &["app.conf"]);
        let nested = roots(&[("all", "/srv"), ("inner", "/srv/inner")]);
        fits(&nested, &["srv/a", "srv/inner/b"], &Fit::Origins, &["all/a", "inner/b"]);
        let whole = roots(&[("host", "/")]);
        fits(&whole, &["etc/", "etc/passwd"], &Fit::Origins, &["host/etc", "host/etc/passwd"]);
    }

    #[test]
    fn what_fits_no_way_is_named_with_what_was_expected() {
        let one = roots(&[("config", "/opt/lucid/config")]);
        let two = roots(&[("config", "/opt/lucid/config"), ("data", "/srv/data")]);
        // a folder of another name may be the root or below it
        assert_eq!(
            tried(&one, &["html/", "html/index"]).unwrap_err(),
            "2 of its members are not where the source's are, such as `html`, `html/index`; expected is below `config` (the source's \
             labels), below `opt/lucid/config` (where it is), or relative to it, with `./` in front"
        );
        assert_eq!(
            tried(&two, &["config/a", "other/b"]).unwrap_err(),
            "1 of its members is not where the source's are, such as `other/b`; expected is below one of `config`, `data` (the source's \
             labels), below one of `opt/lucid/config`, `srv/data` (where it is)"
        );
        // a file where a folder on the way should be; a root that is no folder; absolute and elsewhere; nothing but what is above
        assert!(tried(&two, &["srv", "srv/data/x"]).is_err());
        assert!(tried(&one, &[".", "a"]).is_err());
        assert!(tried(&one, &["/etc/passwd", "a"]).is_err());
        assert!(tried(&two, &["./"]).is_err());
        assert!(tried(&two, &["./", "./a"]).is_err());
    }

    #[test]
    fn names_that_climb_are_refused_and_shown_as_they_were() {
        for name in [&b"../a"[..], b"/../a", b"a/../../b", b"/a/.."] {
            assert_eq!(Path::read(name), Err(Refusal::Dots), "{}", name.escape_ascii());
        }
        assert_eq!(Path::read(b""), Err(Refusal::Name));
        let shown = |name: &[u8]| Path::read(name).unwrap().shown().to_string();
        assert_eq!([shown(b"//a//b/"), shown(b"./"), shown(b"/"), shown(b"./a\n")], ["/a/b", ".", "/", "a\\n"]);
    }
}
