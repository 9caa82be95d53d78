//! Codes of what is seen in stores, on hosts, while planning and while running. Layers above add their rows here.

codes! { World;
STORE_AWAY error "store-away", "a store that is known from earlier runs is not there",
    "The local state remembers the uuid of the store that stood here. Now the place is empty or missing: a disk that is not mounted, a bucket that was deleted, a path that was changed. Writing here would scatter backups over two places, and a plan that thinks the store is new would capture everything again, so nothing that concerns it runs. Bring the store back; or, if a new empty store is what you want, say so with `lucid-policy store accept NAME`.";
STORE_REPLACED error "store-replaced", "another store answers under a known name",
    "The store at this place has another uuid than the one that was here before: another disk is mounted, or the path points to somebody else's backups. Nothing that concerns it runs. Mount the right one; or take the new one with `lucid-policy store accept NAME`.";
STORE_TWIN error "store-twin", "two stores of the manifest are one place",
    "Both stores carry the same uuid: a copy on the second would be the same bytes on the same disk, and deleting there would delete here. Give them different places, or remove one from the manifest.";
STORE_TOO_NEW error "store-too-new", "a store was written by a newer version of this program",
    "The format's major version is newer than the one that this program knows. Reading it would be guesswork, and deleting from it would be worse. Use the newer version of lucid-policy.";
OTHER_HOST error "other-host", "another host owns this instance",
    "One host captures and copies an instance; two would delete each other's work. Use another `name` in the manifest if this is another system. If the host that owned it is gone for good and this one takes its place, run `lucid-policy claim`.";
STORE_UNUSABLE error "store-unusable", "a store cannot be used",
    "The place is there but cannot serve: a file where a folder should be, no permission, not mounted although the manifest says `mount = true`, or an error of the disk. The message names the place and the reason.";
INCOMPLETE_LISTING error "incomplete-listing", "a store could not be listed completely",
    "A part of the store could not be read, so what is missing cannot be told from what was not seen. Nothing is copied to it, deleted from it or swept there, and nothing is captured to it.";
NO_USABLE_STORE error "no-usable-store", "a policy has no store that can take its artifact",
    "Every store of the policy is away or unusable. The findings about the stores say why.";
SOURCE_UNUSABLE error "source-unusable", "a source does not look right",
    "The source is missing, empty, or not mounted although the manifest says so. A backup of it would be a backup of nothing, and retention would let it push out the good ones, so nothing is captured and nothing is deleted. Bring the source back, or change the manifest.";
TOO_LATE warning "too-late", "a missed slot is too old to be made up",
    "The newest slot of the schedule is past by more than `catch_up_within` allows. The policy waits for its next slot; `lucid-policy apply --now --only policy.NAME` runs it at once.";
NO_ROOM error "no-room", "a capture would leave less than `min_free`",
    "Even after everything that retention lets go, the store would have less room than `min_free` demands. Free space, lower `min_free`, or keep less.";
DELETE_FRACTION error "delete-fraction", "a plan would delete too much of a series at once",
    "More artifacts would go in one run than `[guard] max_delete_fraction` allows: as a rule a retention was shortened by mistake. Nothing of the series is deleted. If it is meant, raise `max_delete_fraction` in a reviewed commit, apply, and lower it again.";
DELETE_WHILE_LATE error "delete-while-late", "nothing old is deleted while backups are late",
    "The newest complete artifact of the series is older than its `rpo`: something is wrong with making backups, and until that is mended the old ones are all there is.";
DELETE_SIBLINGS error "delete-siblings", "deletes on a first store wait for all its siblings",
    "Another store of the policy could not be seen. What is deleted here could be the last copy of what that store lacks.";
CLOCK_BEHIND error "clock-behind", "artifacts are dated after now",
    "At least one artifact is dated in the future: the clock of this host was set back, or was ahead when the artifact was made. Ages mean nothing then, so nothing of the series is deleted; captures go on. Set the clock right; if the artifact's own date is wrong, deletes begin again when that date has passed.";
UNREADABLE_RECORD error "unreadable-record", "a catalogue has entries that this version cannot read",
    "The names were written by a newer version of this program or damaged. They may need artifacts that this version would delete, so nothing of the series is deleted.";
CLOCK_SKEW error "clock-skew", "the clocks of a store and of this host differ",
    "The store's own clock is more than five minutes away from the clock of this host. What is old and what is young is told by both: a lease that seems to have ended, an upload that seems abandoned, an artifact that seems past its time. Nothing is deleted or swept there until they agree; captures and copies go on. Set the clock of this host right, by NTP as a rule.";
PAYLOAD_UNLISTED advice "payload-unlisted", "the payload of a store was not listed",
    "`--catalog-only` reads the catalogue and leaves the payload out, which is quick and cheap on a store with many objects. Objects that are missing or cut are not seen then: everything that has a record counts as whole. Captures and copies go on, and a copy is checked on its way; nothing is deleted or swept.";
STORE_UNSEEN advice "store-unseen", "a janitor does not see a store of the policy",
    "`--only-delete` runs on another host than the one that captures, and a directory of that host cannot be seen from here. Nothing is deleted there, and nothing on the first store of a policy, as what goes there could be the last copy of what another store lacks; the other stores are looked after.";
OTHER_RULES error "other-rules", "a series was made under other retention rules than a janitor has",
    "The newest record of the series names the rules of the manifest that it was made from, and they are not those of the manifest here: one that was not brought up to date on this host, as a rule. Deleting by old rules could take what the new ones keep, so that nothing of the series is deleted. Give this host the same manifest. Records of earlier versions do not name their rules; then the whole manifest has to be the same.";
SERVICES_UNSEEN advice "services-unseen", "services were not looked at",
    "A plan from an inventory asks no engine. Captures are in it as they would be without services; what would be stopped for them, and whether something stands in the way of that, is shown by a plan on the host itself.";
READABLE_STAYS advice "readable-stays", "a store does not take what is not encrypted",
    "The store has `require_encryption`, and the policy has artifacts from before it had recipients. They stay where they are: a copy is the same bytes everywhere, so that it cannot be encrypted on its way. What is captured from now on is encrypted and copied. To have the state of today there at once, run `lucid-policy apply --now --only policy.NAME`.";
SEGMENT_TOO_LARGE warning "segment-too-large", "a store cannot take an object as large as a segment that exists",
    "A copy is the same objects everywhere, and the store's largest object, which follows from its `max_parts`, is smaller than a segment of the artifact: the limit was lowered, or the store was added, after the capture. The copy is not tried, and the artifact stays where it is for as long as this store's retention would keep it. Raise `max_parts` if the service takes more parts. What is captured from now on is cut to fit all stores of the policy and is copied; to have the state of today there at once, run `lucid-policy apply --now --only policy.NAME`.";
DELETE_PAUSED advice "delete-paused", "a paused policy deletes nothing",
    "The policy's `state` is `paused`: it captures, copies and deletes nothing. Artifacts that its retention lets go are kept until it is active or retired.";
DAMAGED warning "damaged", "a copy is damaged and no good one is known",
    "Objects of the artifact are missing, have another size, or failed a check, and no store of the policy has a good copy. It satisfies no slot and takes no place in retention. `lucid-policy verify` says which object it is; `lucid-policy show ID` what can still be read.";
ORPHAN_SERIES advice "orphan-series", "a store holds a series that no policy names",
    "The policy was removed or renamed, or no longer uses the store. Its artifacts are shown and never deleted. To go on with it under a new name set `series` on the new policy; to let its retention run out, bring the policy back with `state = \"retired\"`.";
FOREIGN advice "foreign", "a store holds objects that this program did not write",
    "They are listed and never touched: not counted, not copied, not deleted. If they are in the way, move them yourself; if a store is to serve this program alone, give it a folder of its own.";
ENGINE_UNREACHABLE error "engine-unreachable", "the container engine does not answer",
    "What is captured lives in a container engine, or its services do, and the engine cannot be asked. Nothing of those policies is captured, since nobody knows what writes their data, and nothing of them is deleted. The message says where the engine was looked for, the places which policies wait for it. Start it, or let this user read its socket.";
SERVICE_MISSING error "service-missing", "a service that must be quiet is not there",
    "The manifest names a container, or a service of a compose project, that the engine does not know. If it was renamed, it may be running under its new name and write what is to be captured, so the policy is not captured and nothing of it is deleted. Create it, or change the service in the manifest.";
SERVICE_NOT_RUNNING error "service-not-running", "the container of a service's commands does not run",
    "The service is quieted by commands inside a container. That container is there and does not run, so the commands cannot run either. Start it, or change the service in the manifest.";
SERVICE_TWICE error "service-twice", "a container is two services",
    "Two tables of the manifest mean the same container. It could be stopped for one window while it belongs to another, with the settings of either. Declare it once, and use that name wherever it is to be quiet.";
SERVICE_CYCLE error "service-cycle", "services that need each other in a circle",
    "What is in a circle has no order in which it could be quieted and woken. The path is made of the manifest's `depends_on`, of labels that compose has written, of shared namespaces and of `volumes_from`; the finding names the whole of it. Policies that would quiet any of these services are not captured, others are. Remove one of the needs.";
STOP_REMOVES error "stop-removes", "a stop would remove a container",
    "The container was created with `--rm`: the engine removes it when it ends, with its anonymous volumes, and nobody could start it again. Create it without `--rm`, or pause it instead of stopping it (`mode = \"pause\"`).";
STOP_SELF error "stop-self", "a stop would end this program",
    "This program runs in one of the containers that would be quiet: named by the manifest, or joined to what is named by a namespace or by volumes. It could not wake anything again. Run it on the host, or keep its container apart.";
STOP_SWARM error "stop-swarm", "a swarm would replace what is stopped",
    "The container is a task of a swarm service. When it ends, the swarm starts another one, which would write while the capture reads. This version does not quiet swarm services; scale the service down by a command service (`quiesce` and `resume`).";
STOP_SOURCE error "stop-source", "a command's container would be quiet while it runs",
    "The source is the output of a command in a container, and nothing can be run in a container that is stopped or paused. Either its own `stop` quiets that container, or joins it by a namespace or by volumes: then leave it out. Or another policy that is due in the same run quiets it: then this one is captured by the next run, and schedules that are apart avoid the wait.";
LABEL_DANGLING warning "label-dangling", "a label names a service without containers",
    "Compose has written into the container's labels that it needs a service, and its project has no container of that service: it was removed, renamed, or never created. No order comes of it. Create the service, or create the container again so that its labels are those of the compose file.";
WRITER_AWAKE warning "writer-awake", "something writes while it is captured",
    "The source stops services so that it is read at rest, but another running container has the same place mounted and may write to it. What it changes meanwhile can be torn in the artifact. Declare a service for it and add it to `stop`, or mount the place read-only there.";
DOWNTIME_TOO_LONG warning "downtime-too-long", "a window is expected to be longer than `max_downtime`",
    "Earlier captures of the policies that share the window took longer than `max_downtime` allows. A capture that goes on for longer is broken off, so that services come back in time, and there is no artifact. Raise `max_downtime`, or let the policies run at different times.";
FIRST_CAPTURE_WAITS advice "first-capture-waits", "the first capture of what stops services waits for its time",
    "A policy that was never captured is captured at once, unless that would stop services at a time of day that nobody chose. This one waits for a slot of its schedule, or until it is asked for with `lucid-policy apply --now --only policy.NAME`.";
}
