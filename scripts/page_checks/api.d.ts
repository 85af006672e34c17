// Made by scripts/page_checks/api_types.py --write from openapi.json; do not edit.
declare namespace Api {
  /** Somebody did something; `when` is milliseconds since 1970, `person` "" for the owner. */
  interface Act {
    number: number;
    when: number;
    person: string;
    kind: "delete" | "download" | "drop" | "edit" | "fetch" | "invite" | "login" | "logout" | "machine" | "person" | "purge" | "restore" | "revoke" | "settings" | "upload";
    entry: string;
    text: string;
  }

  /** A page of acts, newest first; `cursor` is None on the last one. */
  interface Activities {
    acts: Act[];
    cursor: number | null;
    people: string[];
  }

  /** `have` counts live holders of the worst-held piece; `want` is what the author asked for. */
  interface CopiesView {
    have: number;
    want: number;
  }

  /** The deletion waits for somebody's approval. */
  interface DeletionHeld {
    held: boolean;
  }

  /** A disk that gave several errors in 30 days, by a path that lies on it. */
  interface DiskView {
    path: string;
    errors: number;
  }

  /** Body of PATCH /api/v1/entries/{id}; what is left out stays as it is. */
  interface EntryChange {
    name?: string | null;
    caption?: string | null;
    tags?: string[] | null;
  }

  /** The answer; `published` is false while the tracker is away: others see it when it is back. */
  interface EntryChanged {
    entry: EntryView;
    published: boolean;
  }

  /** How many entries are of each class; `repairing` of them are among the short ones. All four others together are all entries. */
  interface EntryCounts {
    safe: number;
    short: number;
    repairing: number;
    away: number;
    lost: number;
  }

  /** An entry as people and programs are shown it; `created` is milliseconds since 1970. `here` is how many of its pieces this machine holds. */
  interface EntryView {
    id: string;
    link: string;
    name: string;
    kind: "file" | "folder";
    size: number;
    files: number;
    author: string;
    caption: string;
    tags: string[];
    created: number;
    edited: number;
    version: number;
    restored_by: string;
    pieces: number;
    here: number;
    copies: CopiesView;
    holders: HolderView[];
    notice: string;
    held: boolean;
    content: "archive" | "audio" | "document" | "folder" | "image" | "other" | "video";
    safety: "away" | "lost" | "repairing" | "safe" | "short";
    safety_text: string;
    picture: PictureView | null;
    renditions: RenditionView[];
    inside: string;
  }

  /** Every answer of 400 and above. */
  interface ErrorAnswer {
    error: Problem;
  }

  /** Something that happened to copies, as this machine saw it; `when` in ms since 1970. */
  interface EventView {
    when: number;
    kind: "back" | "disk" | "dropped" | "full" | "healed" | "left" | "lost" | "out" | "repaired" | "rot" | "safe" | "short";
    text: string;
  }

  /** One file: its index in the manifest, path inside the folder ("" for a single file), bytes. */
  interface FileView {
    index: number;
    path: string;
    size: number;
  }

  /** At most 200 files; `total` in all. */
  interface Files {
    files: FileView[];
    total: number;
  }

  /** Body of POST /api/v1/folders/ID/finish: folders in it that have nothing in them. */
  interface FinishedFolder {
    empty?: string[];
  }

  /** A page of entries; `local` when the tracker could not be asked; `more` than `total` exist. `replaced`: words that nothing has; these are entries that have others like them. */
  interface Found {
    entries: EntryView[];
    total: number;
    cursor: string;
    local: boolean;
    more: boolean;
    replaced: Replaced[];
  }

  /** How all entries are; `local` when the tracker could not be asked: then those held here. `rate` is bytes a second at which this machine now makes copies, `fetching` of how many entries. `left` is seconds that `missing` takes at this rate; None when nothing moves here. */
  interface Health {
    entries: EntryCounts;
    missing: number;
    fetching: number;
    rate: number;
    left: number | null;
    returns: ReturnView[];
    events: EventView[];
    local: boolean;
  }

  /** A machine by name, the number of pieces it holds, and whether it is there. */
  interface HolderView {
    peer: string;
    pieces: number;
    state: "gone" | "live" | "suspect";
  }

  /** An invite that has been made; the token itself is not known any more. */
  interface InviteSummary {
    id: string;
    zone: string;
    expires: number;
    state: string;
  }

  /** A person's session, or their address while it is not used. Milliseconds since 1970. */
  interface LetIn {
    id: string;
    name: string;
    made: number;
    ends: number;
    used: number;
    seen: number;
  }

  /** The limits: in force now, those without the schedule, and the rest of what is set. `near` names the machines that are linked over the same network. `file` is where all is set. */
  interface Limits {
    now: RatesView;
    base: RatesView;
    windows: WindowView[];
    peers: PeerLimitsView[];
    lan: "exempt" | "limited";
    near: string[];
    file: string;
  }

  /** Rates are bytes a second, null for no limit; what is not there stays as it is. They are those of the whole machine, of the machine named `peer`, or of the window of the schedule with the times `at`, which is made if need be, or taken out with `remove`. */
  interface LimitsChange {
    up?: number | null;
    down?: number | null;
    peer?: string | null;
    at?: string | null;
    remove?: boolean;
    clear_schedule?: boolean;
    lan?: "exempt" | "limited" | null;
  }

  /** A machine that is linked. `received` and `sent`: bytes of pieces since the start; `rate`: bytes a second that are sent now. `asks`: pieces it has asked for that have not been begun; `fetches`: the names of a few entries whose pieces it follows, as who fetches them does, of `fetching` in all. */
  interface LinkView {
    peer: string;
    name: string;
    address: string;
    near: boolean;
    connections: number;
    received: number;
    sent: number;
    rate: number;
    asks: number;
    fetches: string[];
    fetching: number;
  }

  /** All of them, by name. */
  interface LinkedMachines {
    links: LinkView[];
  }

  /** One machine; `seen` is milliseconds since 1970, 0 for never. */
  interface MachineView {
    id: string;
    name: string;
    zone: string;
    state: "gone" | "live" | "suspect";
    addresses: string[];
    capacity: number;
    stored: number;
    seen: number;
    this: boolean;
    standing: "active" | "draining" | "leaving";
    admin: boolean;
  }

  /** The invite as text, told this once; `qr` is an address of a picture, "" when too long. */
  interface MadeInvite {
    id: string;
    invite: string;
    expires: number;
    qr: string;
  }

  /** An address that lets one browser in, told this once; `qr` is an address of a picture. */
  interface MadeLogin {
    name: string;
    url: string;
    qr: string;
    here: boolean;
  }

  /** Whose session this is; the owner has no name. */
  interface Me {
    person: string;
    owner: boolean;
  }

  /** Body of PUT /api/v1/uploads/ID/caption. */
  interface NewCaption {
    caption: string;
  }

  /** Body of POST /api/v1/folders: `files` counts them, `size` is their bytes together. */
  interface NewFolder {
    name: string;
    files: number;
    size: number;
    modified?: number | null;
    caption?: string;
    tags?: string[];
  }

  /** Something the machine's owner should know; `when` is milliseconds since 1970. It is about `files` that were shared where they lie, this `machine`, or its `tracker`. */
  interface NoticeView {
    when: number;
    text: string;
    about: "files" | "machine" | "tracker";
  }

  /** An OpenAPI document; the rest of it is not described here. */
  interface OpenApi {
    openapi: string;
  }

  /** Those that a machine can still join by. */
  interface OpenInvites {
    invites: InviteSummary[];
  }

  /** The limits of one machine; not `known`: the roster has no machine of that name. */
  interface PeerLimitsView {
    name: string;
    rates: RatesView;
    known: boolean;
  }

  /** This machine. */
  interface PeerView {
    id: string;
    name: string;
    version: string;
    listen: string;
    standing: "active" | "draining" | "leaving";
  }

  /** The machines, by name; `local` when the tracker could not be asked. */
  interface Peers {
    peers: MachineView[];
    local: boolean;
    warnings: string[];
  }

  /** Newest first; `others` is how many more sessions the owner has than the one that asks. */
  interface PeopleListed {
    people: LetIn[];
    others: number;
  }

  /** What an entry says of the picture that it is; `of`: the entry it is a rendition of, or "". */
  interface PictureView {
    width: number;
    height: number;
    quality: "high" | "low" | "medium" | "original" | "very high";
    of: string;
  }

  /** One machine's pieces: the first of each run held, and how many it has. */
  interface PieceRow {
    peer: string;
    state: "gone" | "live" | "suspect";
    runs: ([number, number])[];
  }

  /** How many pieces there are, and who holds which. */
  interface PieceRows {
    pieces: number;
    rows: PieceRow[];
  }

  /** A file of a folder that is here in full. */
  interface PlacedFile {
    path: string;
    size: number;
    modified: number;
  }

  /** Answer of GET /api/v1/folders/ID/files; `next` is where to go on, or null. */
  interface PlacedFiles {
    files: PlacedFile[];
    next: number | null;
  }

  /** What is wrong: a word for programs, a text for people, and which field, if it is one. */
  interface Problem {
    kind: string;
    text: string;
    field: string;
  }

  /** Answer of a purge: contents that went, and their bytes. */
  interface PurgedAmount {
    contents: number;
    bytes: number;
  }

  /** Bytes a second, within the `EVERY` seconds that ended `ago` seconds ago. */
  interface RateSample {
    ago: number;
    down: number;
    up: number;
  }

  /** The samples of the last hour, oldest first, and how many seconds each stands for. */
  interface RatesKept {
    every: number;
    samples: RateSample[];
  }

  /** Both directions. */
  interface RatesView {
    up: number | null;
    down: number | null;
  }

  /** The daemon answers, so the page can. */
  interface Ready {
    state: string;
  }

  /** A smaller version of a picture: an entry of its own. `version` is its sequence number. */
  interface RenditionView {
    id: string;
    quality: "high" | "low" | "medium" | "very high";
    width: number;
    height: number;
    size: number;
    version: number;
  }

  /** A word of a search that nothing has, and the words like it that were searched `instead`. */
  interface Replaced {
    word: string;
    instead: string[];
  }

  /** Pixels. */
  interface Resolution {
    width: number;
    height: number;
  }

  /** It is there again; `published` is False while the tracker is away. `here` is how many of its pieces came back from this machine's trash. */
  interface Restored {
    id: string;
    name: string;
    here: number;
    published: boolean;
  }

  /** The same for a person; `out` is in how many seconds its pieces are made elsewhere. None: that has begun. */
  interface ReturnView {
    name: string;
    state: "gone" | "live" | "suspect";
    safe: number;
    found: number;
    out: number | null;
  }

  /** What may be uploaded: `types` (none given: all), the `largest` in bytes, the `quota` of each person who was let in, in bytes, and of pictures the `least` resolution. `embed`: whether renditions are shown in pages of other sites. */
  interface Rules {
    types?: string[];
    largest?: number | null;
    quota?: number | null;
    least?: Resolution | null;
    embed?: boolean;
  }

  /** The rules; `endings` are those of the types, if any; `file` is "" but for the owner. */
  interface RulesSet {
    rules: Rules;
    file: string;
    endings: string[];
  }

  /** This process lives; whether the daemon does is told besides. */
  interface Running {
    state: string;
    daemon: string;
  }

  /** How the scrub is. `days`: everything is read once in so many; 0 for off. `completed` is when everything had last been read, in milliseconds since 1970, 0 for never. The others are since the daemon's start: bytes read, pieces found bad, and fetched again of those. */
  interface ScrubView {
    days: number;
    completed: number;
    bytes: number;
    bad: number;
    healed: number;
  }

  /** How many. */
  interface SessionsEnded {
    ended: number;
  }

  /** What is not there stays as it is. */
  interface SettingsChange {
    scrub_days?: number | null;
    discover?: boolean | null;
    capacity?: number | null;
  }

  /** Bytes; `stored` are kept for the group now. `told`: whether the tracker knows the capacity. `scrub_days`: everything held is read once in so many days; 0: never. `file` is "" but for the owner. */
  interface SettingsNow {
    scrub_days: number;
    discover: boolean;
    capacity: number;
    stored: number;
    room: number;
    file: string;
    told: boolean;
  }

  /** It is still being read; a notice tells every page of its end. */
  interface ShareBegun {
    path: string;
  }

  /** Others do not hold it yet: it goes from here by itself once they do. */
  interface ShareLeaves {
    leaving: boolean;
  }

  /** One of them. `entry` is the id of an entry that names it, "" if none is known here. `own`: this machine added the entry. "partly": some of its pieces are not here, or do not count any more. "leaving": given up here, once others hold it. `notice`: what happened to its files. */
  interface ShareView {
    path: string;
    entry: string;
    name: string;
    kind: "file" | "folder";
    size: number;
    own: boolean;
    state: "leaving" | "partly" | "shared";
    notice: string;
  }

  /** At most 100 of them, by path; `total` in all. */
  interface Shares {
    shares: ShareView[];
    total: number;
  }

  /** A machine that a download asks for pieces. Bytes, and bytes a second. `near`: over the same network. `pieces`: how many of the content's it has; `asked` of it now; `late`: given to others meanwhile. `received` bytes of this content came from it since the download began. `answers`: the least seconds from asking to the first byte; None: not yet known. `state`: "idle" owes nothing; "late" owes for longer than its history lets expect; "limited": what it sends waits for the limits of this machine. */
  interface SourceView {
    peer: string;
    name: string;
    address: string;
    near: boolean;
    state: "idle" | "late" | "limited" | "sends";
    rate: number;
    pieces: number;
    asked: number;
    late: number;
    received: number;
    connections: number;
    answers: number | null;
  }

  /** Those of one download, which has `pieces` in all; the fastest first. */
  interface Sources {
    transfer: string;
    pieces: number;
    sources: SourceView[];
  }

  /** How the daemon is; `limits` are those of the whole daemon that are in force now. */
  interface Status {
    peer: PeerView;
    web: string | null;
    tracker: TrackerView;
    swarm: SwarmView;
    store: StoreView;
    transfers: TransferView[];
    notices: NoticeView[];
    scrub: ScrubView;
    disks: DiskView[];
    limits: RatesView;
    congestion: string[];
    lanes: number;
    uploaded: number;
    downloaded: number;
    fetched_twice: number;
  }

  /** Bytes kept for the group, bytes offered, pieces held, and bytes for which there is room. `room` is 0 when the capacity is used up or the disk nearly full. */
  interface StoreView {
    bytes: number;
    capacity: number;
    pieces: number;
    room: number;
  }

  /** The group: its name, the number of its newest roster, how many peers are members. */
  interface SwarmView {
    name: string;
    roster: number;
    members: number;
  }

  /** Whether the tracker is connected now. */
  interface TrackerView {
    state: "connected" | "unreachable";
  }

  /** One download under way. `rate` is bytes a second; `left` seconds, None when unknown. `purpose`: "get" for a person, "keep" because the ring says so. */
  interface TransferView {
    id: string;
    name: string;
    purpose: "get" | "keep";
    size: number;
    done: number;
    rate: number;
    left: number | null;
    sources: string[];
  }

  /** A page of the trash, newest first; `total` in all. */
  interface TrashListed {
    entries: TrashView[];
    total: number;
  }

  /** A deleted entry. Moments are milliseconds since 1970; `path` is "" for the store's own copy. A file shared in place is only listed, and stays when the trash is emptied. */
  interface TrashView {
    id: string;
    name: string;
    size: number;
    deleted: number;
    by: string;
    until: number;
    path: string;
  }

  /** Answer of GET /api/v1/uploads: what is not an entry yet, the newest last. */
  interface UploadList {
    uploads: UploadView[];
  }

  /** An upload as it stands; moments are milliseconds since 1970. `received` counts the files of a folder that are here in full, `added` the bytes that the daemon has taken over. `entry` is the id of what it became, `text` why it became nothing; `note` is why a picture has no smaller versions. */
  interface UploadView {
    id: string;
    kind: "file" | "folder";
    name: string;
    size: number;
    offset: number;
    modified: number | null;
    folder: string;
    path: string;
    files: number;
    received: number;
    state: "added" | "adding" | "failed" | "receiving";
    added: number;
    entry: string;
    text: string;
    note: string;
    expires: number;
  }

  /** Body of POST /api/v1/fetch: a link or an id, as a person pasted it. */
  interface WantedEntry {
    entry: string;
  }

  /** Body of POST /api/v1/invites: seconds for which it is good, and the new machine's zone. */
  interface WantedInvite {
    expires?: number;
    zone?: string;
  }

  /** Body of POST /api/v1/logins: whose it is, and for how long the address may be used. */
  interface WantedLogin {
    name: string;
    hours?: number;
  }

  /** Body of POST /api/v1/shares: an absolute path of this machine, or one that begins with ~/. */
  interface WantedShare {
    path: string;
    name?: string | null;
    caption?: string;
    tags?: string[];
  }

  /** Body of PATCH /api/v1/machines/{id}: "" for a zone of its own. */
  interface WantedZone {
    zone: string;
  }

  /** The rates at some times of the week; `now` for the window that holds now. */
  interface WindowView {
    times: string;
    rates: RatesView;
    now: boolean;
  }
}
