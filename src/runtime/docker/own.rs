//! The container that this program runs in, if it runs in one: it must never be stopped by itself.

use std::fs;

/// The files that an engine mounts into every container, from the container's own folder on its host.
const MOUNTED: [&str; 3] = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];

/// The id of the container that this program runs in. One that lives in another's network has that one's files, so that the control
/// group, where it shows a path at all, is asked first.
pub(super) fn id() -> Option<String> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    from_cgroup(&read("/proc/self/cgroup")).or_else(|| from_mounts(&read("/proc/self/mountinfo")))
}

/// Reads `mountinfo`. On an engine's host it names other containers too, but mounts none of the files from them.
fn from_mounts(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let mut fields = line.split(' ').skip(3);
        let (root, place) = (fields.next()?, fields.next()?);
        MOUNTED.contains(&place).then(|| root.split('/').find_map(whole_id)).flatten()
    })
}

/// Reads `cgroup`: the last id, so that of an engine inside of a container it is the inner one.
fn from_cgroup(text: &str) -> Option<String> {
    let mut paths = text.lines().filter_map(|line| line.splitn(3, ':').nth(2));
    paths.find_map(|path| path.split('/').rev().find_map(unit_id))
}

/// The id in `docker-ID.scope`, `libpod-ID` or `ID`.
fn unit_id(name: &str) -> Option<String> {
    let name = name.strip_suffix(".scope").unwrap_or(name);
    whole_id(name.rsplit_once('-').map_or(name, |(_, id)| id))
}

fn whole_id(text: &str) -> Option<String> {
    let hex = text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    hex.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const OUTER: &str = "ffff456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn inside_of_a_container_its_files_name_it() {
        let docker = format!(
            "612 598 0:50 / / rw - overlay overlay rw\n\
             613 598 254:0 /var/lib/docker/containers/{ID}/resolv.conf /etc/resolv.conf rw,relatime - ext4 /dev/vda rw\n"
        );
        assert_eq!(from_mounts(&docker).as_deref(), Some(ID));
        let podman = format!("9 8 0:2 /containers/storage/overlay-containers/{ID}/userdata/hosts /etc/hosts rw - tmpfs tmpfs rw\n");
        assert_eq!(from_mounts(&podman).as_deref(), Some(ID));
    }

    #[test]
    fn on_a_host_the_mounts_of_its_containers_are_not_ours() {
        let host = format!(
            "22 27 0:21 / /proc rw - proc proc rw\n\
             99 27 0:60 / /var/lib/docker/containers/{ID}/mounts/shm rw - tmpfs shm rw\n\
             98 27 0:61 /snap/{ID}/hosts /mnt/hosts rw - ext4 /dev/vda rw\n\
             short line\n"
        );
        assert_eq!(from_mounts(&host), None);
        assert_eq!(from_mounts(""), None);
    }

    #[test]
    fn a_control_group_names_the_innermost_container() {
        for text in [
            format!("12:pids:/docker/{ID}\n0::/\n"),
            format!("0::/system.slice/docker-{ID}.scope\n"),
            format!("0::/machine.slice/libpod-{ID}.scope/container\n"),
            format!("5:devices:/docker/{OUTER}/docker/{ID}\n"),
            format!("1:name=systemd:/kubepods/besteffort/pod1/cri-containerd-{ID}.scope\n"),
        ] {
            assert_eq!(from_cgroup(&text).as_deref(), Some(ID), "{text}");
        }
        for text in ["", "0::/\n", "0::/user.slice/user-1000.slice/session-1.scope\n", "4:memory:/api/12172bef557af87eb51b974e39fed371\n"] {
            assert_eq!(from_cgroup(text), None, "{text}");
        }
    }
}
