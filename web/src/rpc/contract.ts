/**
 * Every method's parameters and result, as the service describes them. Written by
 * `tools/typescript.py`; change the method table, not this file.
 */

export interface ApiKey {
  created_at: string;
  /** what it is for */
  description: string;
  /** null: never */
  expires_at: string | null;
  /** how the key is called; it opens nothing */
  key_id: string;
  /** null: never */
  last_used: string | null;
  role: 'viewer' | 'operator' | 'admin';
  status: 'active' | 'revoked' | 'expired';
  usage_count: number;
}

export interface ApiKeyList {
  keys: ApiKey[];
  total: number;
}

export interface AuditEntry {
  /** the id of the token or key, never the token */
  credential: string | null;
  /** the address; null: on the box itself */
  from: string | null;
  /** the method; claim; or audit, for a line about the log itself */
  method: string;
  /** the error's reason */
  reason: string | null;
  /** ok, the error's code, unknown (the client left before it was done), or lost */
  result: string;
  /** the camera, file or key it was about */
  target: string | null;
  time: string;
  /** the user id; empty while nobody is known */
  who: string;
}

export interface AuditLog {
  entries: AuditEntry[];
  limit: number;
  offset: number;
  total: number;
}

export interface AuthResult {
  authenticated: boolean;
  expires_at: string;
  permissions: string[];
  role: 'viewer' | 'operator' | 'admin';
  session_id: string;
}

export interface Camera {
  device: string;
  extensions: CameraExtensions;
  fps: number;
  name: string;
  resolution: string;
  status: 'CONNECTED' | 'DISCONNECTED' | 'ERROR';
  streams: Streams;
}

export interface CameraControl {
  /** the camera's default, as value */
  default: number | boolean | null;
  /** it has no effect now, because an automatic mode rules it */
  inactive: boolean;
  /** the driver's name for people */
  label: string;
  /** of an integer */
  max?: number;
  /** of a menu */
  menu?: MenuItem[];
  /** of an integer */
  min?: number;
  /** how set_camera_controls calls it */
  name: string;
  /** it cannot be set */
  read_only: boolean;
  /** of an integer: permitted values are this far apart, counted from min */
  step?: number;
  type: 'integer' | 'boolean' | 'menu' | 'button';
  /** the value now: a number, of a boolean true or false, of a button null */
  value: number | boolean | null;
}

export interface CameraControls {
  controls: CameraControl[];
  device: string;
}

export interface CameraExtensions {
  action?: string;
  counters: {
    captured: number;
    damaged: number;
    dropped_by_driver: number;
    encoded: number;
    repeated: number;
    requeued: number;
    sent: number;
    swallowed: number;
    unsent: number;
  };
  driver: string;
  fps?: number;
  /** how late pictures were in the last 30 to 60 s, by stage; only in get_camera_status */
  latency?: {
    captured_to_dequeued: StageLatency;
    captured_to_sent: StageLatency;
    dequeued_to_encoded: StageLatency;
    encoded_to_sent: StageLatency;
  };
  pixel_format?: string;
  reason?: string;
  recovery?: Recovery;
  route?: string;
  /** why that route and no better one */
  route_why?: string;
  /** viewers see the last picture dimmed, with the reason */
  slate: boolean;
}

export interface CameraList {
  cameras: Camera[];
  connected: number;
  total: number;
}

export interface CameraMetrics {
  capabilities: {
    bus_info: string;
    capabilities: string[];
    card_name: string;
    device_caps: string[];
    driver_name: string;
    version: string;
  };
  device_num: number;
  formats: {
    frame_rates: string[];
    height: number;
    pixel_format: string;
    width: number;
  }[];
  last_seen: string;
  name: string;
  /** the path viewers use */
  path: string;
  status: 'CONNECTED' | 'DISCONNECTED' | 'ERROR';
}

export interface CameraStatus {
  capabilities: {
    formats: string[];
    resolutions: string[];
  };
  device: string;
  extensions: CameraExtensions;
  fps: number;
  metrics: {
    bytes_sent: number;
    readers: number;
    uptime: number;
  };
  name: string;
  resolution: string;
  status: 'CONNECTED' | 'DISCONNECTED' | 'ERROR';
  streams: Streams;
}

export interface Capabilities {
  device: string;
  formats: string[];
  fps_options: number[];
  resolutions: string[];
  validation_status: 'NONE' | 'DISCONNECTED' | 'CONFIRMED';
}

export interface Cleanup {
  /** a policy was in force */
  cleanup_executed: boolean;
  files_deleted: number;
  message: string;
  space_freed: number;
}

export interface Configuration {
  /** the file, as it was named; null where there is none */
  file: string | null;
  /** every key but secrets */
  keys: ConfigurationKey[];
  read_at: string;
  /** why the last reading was not taken; null when it was */
  refused: {
    at: string;
    /** all of them */
    mistakes: ConfigurationMistake[];
  } | null;
  /** keys that a restart of the service would change */
  waiting: ConfigurationWait[];
}

export interface ConfigurationKey {
  /** its path, such as camera.bitrate */
  key: string;
  /** a change acts without a restart */
  live: boolean;
  /** what holds now */
  value: string | number | boolean | unknown[] | Record<string, unknown> | null;
}

export interface ConfigurationMistake {
  place: string;
  what: string;
}

export interface ConfigurationReload {
  /** keys that act now */
  applied: string[];
  troubles: string[];
  /** keys that wait for a restart, with those of former readings */
  waiting: string[];
}

export interface ConfigurationWait {
  /** what would hold then; null for a secret */
  after_restart: string | number | boolean | unknown[] | Record<string, unknown> | null;
  key: string;
  /** what holds until then; null for a secret */
  now: string | number | boolean | unknown[] | Record<string, unknown> | null;
}

export interface Deleted {
  deleted: boolean;
  filename: string;
  message: string;
}

export interface Discovery {
  discovered_streams: ExternalStream[];
  discovery_options: {
    force_rescan: boolean;
    generic_enabled: boolean;
    include_offline: boolean;
    skydio_enabled: boolean;
  };
  errors: string[];
  generic_streams: ExternalStream[];
  /** such as 2.5s */
  scan_duration: string;
  scan_timestamp: string;
  skydio_streams: ExternalStream[];
  total_found: number;
}

export interface DiscoveryInterval {
  message: string;
  /** seconds; 0 = on demand */
  scan_interval: number;
  status: 'UPDATED' | 'ERROR';
  timestamp: string;
}

export interface DownloadUrl {
  /** path and query of the same link */
  download_url: string;
  expires_at: string;
  file_size: number;
  filename: string;
  /** the whole link, built on the name the client used to reach the service */
  url: string;
}

export interface Event {
  /** the camera or stream it concerns, where it concerns one */
  device?: string;
  extensions?: Record<string, unknown>;
  timestamp: string;
}

export interface EventsDropped {
  count: number;
}

export interface ExternalStream {
  capabilities: {
    codec: string;
    format: string;
    metadata: string;
    port: number;
    protocol: string;
    source: string;
    stream_path: string;
    stream_type: 'eo' | 'ir' | 'unknown';
  };
  discovered_at: string;
  extensions: {
    /** it is in the list, and MediaMTX pulls it */
    added: boolean;
    /** of an added one */
    readers?: number;
    /** of an added one: it can be watched */
    ready?: boolean;
    /** of an added one: since when it is ready, or is not */
    since?: string;
    streams?: Streams;
  };
  last_seen: string;
  /** of one that is not added: a name it could get */
  name: string;
  status: 'DISCOVERED' | 'ERROR';
  type: 'skydio_stanag4609' | 'generic_rtsp';
  /** without credentials */
  url: string;
}

export interface ExternalStreamAdded {
  status: 'ADDED' | 'ERROR';
  stream_name: string;
  stream_type: 'skydio_stanag4609' | 'generic_rtsp';
  /** without credentials */
  stream_url: string;
  timestamp: string;
}

export interface ExternalStreamRemoved {
  status: 'REMOVED' | 'ERROR';
  /** without credentials */
  stream_url: string;
  timestamp: string;
}

export interface ExternalStreams {
  external_streams: ExternalStream[];
  generic_streams: ExternalStream[];
  skydio_streams: ExternalStream[];
  timestamp: string;
  total_count: number;
}

export interface KeyframeRequest {
  device: string;
  requested: boolean;
}

export interface MenuItem {
  name: string;
  value: number;
}

export interface NewApiKey {
  created_at: string;
  /** what it is for */
  description: string;
  /** null: never */
  expires_at: string | null;
  /** the key itself; it is shown this once and kept nowhere */
  key: string;
  /** how the key is called; it opens nothing */
  key_id: string;
  /** null: never */
  last_used: string | null;
  role: 'viewer' | 'operator' | 'admin';
  status: 'active' | 'revoked' | 'expired';
  usage_count: number;
}

export interface OffsiteStatus {
  /** over the last ten seconds */
  bytes_per_second?: number;
  /** a store is configured; without one only state follows */
  configured: boolean;
  /** copied and verified since the start, those found at the store included */
  copied_files?: number;
  /** what is being copied */
  current?: {
    /** of the file */
    bytes: number;
    /** its name in the store */
    object: string;
    /** in whole parts that the store has */
    stored_bytes: number;
  } | null;
  /** files that had to go because the medium was full, since the start */
  deleted_without_copy?: number | null;
  /** of the store; 0 while it serves */
  failures_in_a_row?: number;
  /** limits on what is kept wait for the copy */
  keep_until_copied?: boolean;
  /** what failed last */
  last_error?: {
    /** what to do next */
    action: string;
    /** what was wrong */
    cause: string;
    /** a word for programs */
    code: string;
    /** it is not over */
    lasts: boolean;
    time: string;
  } | null;
  /** when a copy was verified last */
  last_success?: string | null;
  /** when the store is asked again, where it is left alone */
  next_try?: string | null;
  /** sent since the start, failed attempts included */
  sent_bytes?: number;
  state: 'OFF' | 'IDLE' | 'COPYING' | 'RETRYING' | 'REFUSED' | 'OUTSIDE_WINDOW' | 'METERED_LINK';
  /** bucket, prefix and address */
  store?: string;
  /** their bytes */
  waiting_bytes?: number;
  /** files without a copy */
  waiting_files?: number;
}

/** an OpenRPC document */
export type OpenRpc = Record<string, unknown>;

export type Pong = 'pong';

export interface Protection {
  filename: string;
  protected: boolean;
}

export interface RangeUrl {
  /** it goes to the end that was asked for; false: it ends with the last recording, which may grow */
  complete: boolean;
  /** recordings of that time that could not be read, or not to their end */
  damaged: string[];
  device: string;
  /** path and query of the same link */
  download_url: string;
  duration_ms: number;
  /** when its last picture ends */
  end_time: string;
  expires_at: string;
  file_size: number;
  /** the name it is downloaded under */
  filename: string;
  gaps: {
    length_ms: number;
    start_time: string;
  }[];
  recordings: {
    end_time: string;
    filename: string;
    start_time: string;
  }[];
  /** when its first picture was taken: a key frame at or before the start */
  start_time: string;
  /** the whole link, built on the name the client used to reach the service */
  url: string;
}

export interface RecInfo {
  created_time: string;
  download_url: string;
  duration: number;
  extensions: {
    /** of its pictures, as RFC 6381 names it, or the sample entry alone */
    codec: string | null;
    device: string;
    /** how long it plays, exactly; in a list null while it runs */
    duration_ms: number | null;
    /** closed: its writer closed it; torn: it ends in the middle of a fragment, and plays up to there; unplayable: nothing in it plays, or it cannot be read; finalising: it becomes a plain MP4; pending: it has not been examined yet, and what is null will be told */
    flags: ('closed' | 'torn' | 'unplayable' | 'finalising' | 'pending')[];
    /** stretches without a picture, longer than 1 s and than three pictures take otherwise, the first 100; null while it runs */
    gaps: {
      /** where the last picture before it stands, from the beginning */
      at_ms: number;
      /** until the next picture */
      length_ms: number;
    }[] | null;
    /** lines */
    height: number | null;
    offsite: 'none' | 'waiting' | 'copied';
    /** it is never deleted */
    protected: boolean;
    /** it runs */
    recording: boolean;
    /** when its first picture was taken; in a list null until it has been examined */
    start_time: string | null;
    /** how well the time is known: exact: the clock was believed; corrected: it was wrong, and the time was computed once it was right; uncertain: it was never right since that start of the machine, and the time is a guess */
    time: 'exact' | 'corrected' | 'uncertain';
    /** from the beginning to the end of the last whole fragment */
    whole_bytes: number;
    /** pixels per line */
    width: number | null;
  };
  file_size: number;
  filename: string;
}

export interface RecStart {
  device: string;
  extensions: {
    /** when it ends by itself */
    ends_at: string | null;
    /** how long before the call its first picture was taken */
    pre_event_ms: number;
  };
  filename: string;
  format: string;
  start_time: string;
  status: 'RECORDING' | 'STARTING' | 'STOPPING' | 'PAUSED' | 'ERROR' | 'FAILED';
}

export interface RecStop {
  device: string;
  duration: number;
  end_time: string;
  extensions: {
    duration_ms: number;
    /** one, unless the recording was interrupted; duration and file_size are their sums */
    files: RecordingFile[];
    /** the files are fragmented still and become plain MP4 */
    finalising: boolean;
  };
  file_size: number;
  filename: string;
  format: string;
  start_time: string;
  status: 'STOPPED' | 'STARTING' | 'STOPPING' | 'PAUSED' | 'ERROR' | 'FAILED';
}

export interface RecordingFile {
  duration_ms: number;
  file_size: number;
  filename: string;
}

export interface RecordingList {
  files: {
    download_url: string;
    extensions: {
      /** of its pictures, as RFC 6381 names it, or the sample entry alone */
      codec: string | null;
      device: string;
      /** how long it plays, exactly; in a list null while it runs */
      duration_ms: number | null;
      /** closed: its writer closed it; torn: it ends in the middle of a fragment, and plays up to there; unplayable: nothing in it plays, or it cannot be read; finalising: it becomes a plain MP4; pending: it has not been examined yet, and what is null will be told */
      flags: ('closed' | 'torn' | 'unplayable' | 'finalising' | 'pending')[];
      /** stretches without a picture, longer than 1 s and than three pictures take otherwise, the first 100; null while it runs */
      gaps: {
        /** where the last picture before it stands, from the beginning */
        at_ms: number;
        /** until the next picture */
        length_ms: number;
      }[] | null;
      /** lines */
      height: number | null;
      offsite: 'none' | 'waiting' | 'copied';
      /** it is never deleted */
      protected: boolean;
      /** it runs */
      recording: boolean;
      /** when its first picture was taken; in a list null until it has been examined */
      start_time: string | null;
      /** how well the time is known: exact: the clock was believed; corrected: it was wrong, and the time was computed once it was right; uncertain: it was never right since that start of the machine, and the time is a guess */
      time: 'exact' | 'corrected' | 'uncertain';
      /** pixels per line */
      width: number | null;
    };
    file_size: number;
    filename: string;
    modified_time: string;
  }[];
  limit: number;
  offset: number;
  total: number;
}

export interface RecordingMode {
  device: string;
  /** the camera has no mode of its own */
  from_configuration: boolean;
  mode: 'manual' | 'continuous' | 'scheduled';
  reason: 'manual' | 'continuous' | 'window_open' | 'window_closed' | 'clock_unknown';
  /** a recording runs because of the mode */
  recording: boolean;
  /** the windows, with ; between them; null unless the mode is scheduled */
  schedule: string | null;
  /** where the windows are local time */
  time_zone: string;
  /** the mode asks for a recording now */
  wanted: boolean;
}

export interface RecordingUpdate {
  device: string;
  /** seconds; 0 when it has begun */
  duration: number;
  /** the recording's name, without extension */
  filename: string;
  status: 'STARTED' | 'STOPPED' | 'ERROR' | 'FAILED';
}

export interface Recovery {
  /** the last sixteen, newest first */
  last: {
    ago_s: number;
    fault: 'camera_gone' | 'camera_stalled' | 'camera_stream_broken' | 'camera_open_failed' | 'camera_frames_damaged' | 'camera_refuses_buffers' | 'encoder_stalled' | 'encoder_refuses_buffers' | 'encoder_broken' | 'encoder_open_failed';
    rung: 'wait' | 'requeue' | 'restream' | 'reopen' | 'reprobe';
    /** from the last picture before to the first after it */
    took_ms: number;
  }[];
  /** faults mended since the service started */
  mended: number;
  /** the fault that keeps the picture away, and the last cure tried */
  now: {
    fault: 'camera_gone' | 'camera_stalled' | 'camera_stream_broken' | 'camera_open_failed' | 'camera_frames_damaged' | 'camera_refuses_buffers' | 'encoder_stalled' | 'encoder_refuses_buffers' | 'encoder_broken' | 'encoder_open_failed';
    for_s: number;
    rung: 'wait' | 'requeue' | 'restream' | 'reopen' | 'reprobe';
  } | null;
}

export interface RefreshedToken {
  expires_at: string;
  role: 'viewer' | 'operator' | 'admin';
  /** the new token */
  token: string;
  /** the id of both, for revoke_token */
  token_id: string;
}

export interface RetentionPolicy {
  enabled: boolean;
  max_age_days?: number;
  max_size_gb?: number;
  message: string;
  policy_type: 'age' | 'size' | 'manual';
}

export interface ServerInfo {
  architecture: string;
  /** when the sources were last changed */
  build_date: string;
  capabilities: string[];
  /** the compiler; the name is older than this program */
  go_version: string;
  max_cameras: number;
  name: string;
  supported_formats: string[];
  version: string;
}

export interface ServiceStatus {
  components: {
    camera_monitor: 'RUNNING' | 'STOPPED' | 'ERROR' | 'STARTING' | 'STOPPING';
    mediamtx: 'RUNNING' | 'STOPPED' | 'ERROR' | 'STARTING' | 'STOPPING';
    websocket_server: 'RUNNING' | 'STOPPED' | 'ERROR' | 'STARTING' | 'STOPPING';
  };
  extensions: {
    /** of the last five minutes */
    calls: number;
    connections: number;
    /** figures that are not as they should be, worst first; the first one decides */
    decided_by: {
      action: string;
      cause: string;
      figure: string;
      status: 'HEALTHY' | 'DEGRADED' | 'UNHEALTHY';
    }[];
    /** of those, by the service's own doing */
    failed_calls: number;
    /** checks in a row, one each second */
    mediamtx_failures: number;
    /** of the machine's memory in use */
    memory_percent: number | null;
    /** how old that is */
    storage_age_s: number;
    /** of what may be written */
    storage_free_percent: number | null;
    /** live tasks and threads */
    tasks: number | null;
  };
  status: 'HEALTHY' | 'DEGRADED' | 'UNHEALTHY';
  /** seconds */
  uptime: number;
  version: string;
}

export interface SnapInfo {
  created_time: string;
  download_url: string;
  extensions: {
    device: string;
    /** how well the time is known: exact: the clock was believed; corrected: it was wrong, and the time was computed once it was right; uncertain: it was never right since that start of the machine, and the time is a guess */
    time: 'exact' | 'corrected' | 'uncertain';
  };
  file_size: number;
  filename: string;
}

export interface Snapshot {
  device: string;
  file_path: string;
  file_size: number;
  filename: string;
  status: 'SUCCESS' | 'FAILED';
  timestamp: string;
}

export interface SnapshotList {
  files: {
    download_url: string;
    extensions: {
      device: string;
      /** how well the time is known: exact: the clock was believed; corrected: it was wrong, and the time was computed once it was right; uncertain: it was never right since that start of the machine, and the time is a guess */
      time: 'exact' | 'corrected' | 'uncertain';
    };
    file_size: number;
    filename: string;
    modified_time: string;
  }[];
  limit: number;
  offset: number;
  total: number;
}

export interface StageLatency {
  /** pictures counted; those that waited for MediaMTX are not */
  frames: number;
  /** the longest; exact */
  max_ms: number;
  /** half of the pictures took no longer, within 3 % */
  p50_ms: number;
  /** 95 of a hundred took no longer */
  p95_ms: number;
  /** 99 of a hundred took no longer */
  p99_ms: number;
}

export interface StorageInfo {
  /** what the service may still write */
  available_space: number;
  extensions: {
    block_percent: number;
    /** why the clock is not believed */
    clock_doubt: string | null;
    /** files may be deleted by their age */
    clock_trusted: boolean;
    durability: {
      flush_failures: number;
      /** flushes of growing recordings since the start */
      flushes: number;
      longest_flush_ms: number;
      /** files that lie aside because nothing of them plays */
      quarantined: number;
      /** recordings whose torn end was cut off since the start */
      repaired: number;
    };
    /** where recordings go while their medium cannot take them; null: nowhere */
    fallback: null | {
      /** new files go there now */
      in_use: boolean;
      /** its folder of recordings */
      path: string;
      /** bytes of the recordings that lie there */
      recordings_size: number;
    };
    limits: {
      /** files older than so many seconds are deleted */
      age_s: number | null;
      /** bytes at most */
      bytes: number | null;
      /** files older than so many seconds are deleted */
      camera_age_s: number | null;
      /** bytes at most */
      camera_bytes: number | null;
      /** cameras and streams with limits of their own */
      cameras: Record<string, {
        /** files older than so many seconds are deleted */
        age_s: number | null;
        /** bytes at most */
        bytes: number | null;
      }>;
      /** bytes of the medium that stay free */
      min_free_bytes: number | null;
    };
    protected_recordings: number;
    /** no recording begins */
    recording_blocked: boolean;
    /** bytes of the medium that recordings take */
    recordings_allocated: number;
    retention: {
      enabled: boolean;
      max_age_days?: number;
      max_size_gb?: number;
      policy_type: 'age' | 'size' | 'manual';
    };
    /** likewise */
    snapshots_allocated: number;
    warn_percent: number;
    wear: {
      /** at the rate of that time */
      days_left: number | null;
      /** the partition's name; null: the file system lies on no disk of its own */
      device: string | null;
      holds: ('recordings' | 'snapshots' | 'data')[];
      /** as an eMMC tells it, in steps of 10; 110 = more than it was made for */
      life_used_percent_at_most: number | null;
      /** how long it will last, for people */
      message: string;
      /** bytes of recordings and snapshots that were to be kept on it in that time */
      payload: number;
      /** written for each byte of payload */
      ratio: number | null;
      /** what written and payload look back on: an hour, or the time since the service started */
      seconds: number;
      spare_blocks: 'unknown' | 'normal' | 'warning' | 'urgent';
      /** bytes that went to the partition in that time */
      written: number;
      /** bytes, by whomever */
      written_since_boot: number | null;
    }[];
  };
  low_space_warning: boolean;
  recordings_size: number;
  snapshots_size: number;
  total_space: number;
  /** 0 to 100, as df counts */
  usage_percentage: number;
  used_space: number;
}

export interface StreamInfo {
  bytes_sent: number;
  name: string;
  readers: number;
  ready: boolean;
  source: string;
}

export type StreamList = StreamInfo[];

export interface StreamStart {
  /** the mark ends when nobody has read the stream for so long */
  auto_close_after: string;
  device: string;
  /** since when the stream is marked as watched */
  start_time: string;
  status: 'STARTED' | 'FAILED';
  stream_name: string;
  stream_url: string;
}

export interface StreamStatus {
  device: string;
  extensions: {
    /** the exact rate of the last 5 s */
    fps?: number;
    /** start_streaming marked it as watched */
    marked: boolean;
    /** why there is no picture */
    reason?: string;
  };
  ffmpeg_process: {
    /** the process that sends; null for an external stream */
    pid: number | null;
    /** the source's pictures are sent to MediaMTX */
    running: boolean;
    /** seconds for which they have been sent */
    uptime: number | null;
  };
  mediamtx_path: {
    exists: boolean;
    readers: number;
    ready: boolean;
  };
  metrics: {
    /** bit/s of the source over the last 5 s */
    bitrate: number;
    /** to all viewers, since the path was made */
    bytes_sent: number;
    /** frames per second of the source over the last 5 s */
    fps: number;
    /** to MediaMTX, since the camera was started; 0 for an external stream, nobody counts its frames */
    frames_sent: number;
  };
  /** the source's own picture can be watched */
  ready: boolean;
  /** since when it is marked as watched */
  start_time: string | null;
  status: 'ACTIVE' | 'INACTIVE' | 'ERROR' | 'STARTING' | 'STOPPING';
  stream_name: string;
}

export interface StreamStop {
  device: string;
  duration: number;
  /** when it was taken away */
  end_time: string;
  message: string;
  /** when the mark was made */
  start_time: string;
  status: 'STOPPED' | 'FAILED';
  /** the stream is still sent, or still read */
  stream_continues: boolean;
  stream_name: string;
}

export interface StreamToken {
  action: 'read' | 'publish';
  expires_at: string;
  /** the stream it is for */
  path: string;
  /** for ?token= of an RTSP address, for Authorization: Bearer, or as a password */
  token: string;
}

export interface StreamUrl {
  active_consumers: number;
  available: boolean;
  device: string;
  stream_name: string;
  stream_status: 'READY' | 'NOT_READY' | 'ERROR';
  stream_url: string;
}

export interface Streams {
  hls: string;
  rtsp: string;
  webrtc: string;
}

export interface Subscribed {
  filters: Record<string, unknown>;
  subscribed: boolean;
  topics: ('camera.connected' | 'camera.disconnected' | 'camera.status_change' | 'recording.start' | 'recording.stop' | 'recording.error' | 'snapshot.taken' | 'system.health' | 'system.startup' | 'system.shutdown' | 'camera.capability_detected' | 'camera.capability_error' | 'recording.progress' | 'snapshot.error' | 'system.error' | 'mediamtx.stream' | 'mediamtx.path' | 'mediamtx.error' | 'mediamtx.recording_started' | 'mediamtx.recording_stopped' | 'mediamtx.recording_failed' | 'mediamtx.stream_started' | 'mediamtx.stream_stopped' | 'camera_status_update' | 'recording_status_update')[];
}

export interface SubscriptionStats {
  client_id: string;
  client_topics: ('camera.connected' | 'camera.disconnected' | 'camera.status_change' | 'recording.start' | 'recording.stop' | 'recording.error' | 'snapshot.taken' | 'system.health' | 'system.startup' | 'system.shutdown' | 'camera.capability_detected' | 'camera.capability_error' | 'recording.progress' | 'snapshot.error' | 'system.error' | 'mediamtx.stream' | 'mediamtx.path' | 'mediamtx.error' | 'mediamtx.recording_started' | 'mediamtx.recording_stopped' | 'mediamtx.recording_failed' | 'mediamtx.stream_started' | 'mediamtx.stream_stopped' | 'camera_status_update' | 'recording_status_update')[];
  global_stats: {
    /** clients with at least one subscription */
    active_clients: number;
    /** subscriptions by topic; topics nobody wants are left out */
    topic_counts: Record<string, number>;
    /** pairs of a client and a topic */
    total_subscriptions: number;
  };
}

export interface SystemMetrics {
  camera_metrics: {
    /** by camera id */
    cameras: Record<string, CameraMetrics>;
    connected_cameras: number;
  };
  extensions: {
    connections: number;
    /** seconds since it was looked at */
    disk_age_s: number | null;
    /** seconds since it was looked at */
    machine_age_s: number | null;
    recordings: {
      failed: number;
      started: number;
      stopped: number;
    };
    snapshots: {
      failed: number;
      taken: number;
    };
  };
  recording_metrics: Record<string, unknown>;
  stream_metrics: {
    active_streams: number;
    total_streams: number;
    total_viewers: number;
  };
  system_metrics: {
    /** percentage of all processors */
    cpu_usage: number;
    /** percentage of the file system recordings are kept on */
    disk_usage: number;
    /** live tasks and threads */
    goroutines: number;
    /** percentage of the machine's memory */
    memory_usage: number;
  };
  timestamp: string;
}

export interface SystemStatus {
  available_cameras: string[];
  discovery_active: boolean;
  message: string;
  status: 'starting' | 'partial' | 'ready';
}

export interface TokenRevoked {
  revoked: boolean;
  token_id: string | null;
  user_id: string | null;
}

export interface Unsubscribed {
  topics: ('camera.connected' | 'camera.disconnected' | 'camera.status_change' | 'recording.start' | 'recording.stop' | 'recording.error' | 'snapshot.taken' | 'system.health' | 'system.startup' | 'system.shutdown' | 'camera.capability_detected' | 'camera.capability_error' | 'recording.progress' | 'snapshot.error' | 'system.error' | 'mediamtx.stream' | 'mediamtx.path' | 'mediamtx.error' | 'mediamtx.recording_started' | 'mediamtx.recording_stopped' | 'mediamtx.recording_failed' | 'mediamtx.stream_started' | 'mediamtx.stream_stopped' | 'camera_status_update' | 'recording_status_update')[];
  unsubscribed: boolean;
}

export interface Video {
  /** null where the camera codes by itself */
  bitrate_kbps: number | null;
  device: string;
  fps: number;
  /** null likewise */
  keyframe_seconds: number | null;
  resolution: string;
  /** the last change took no pause: the same stream went on */
  seamless: boolean;
}

export interface Methods {
  /** Answers "pong": the connection and the service are alive. */
  ping: {
    params: undefined;
    result: Pong;
  };
  /** Logs this connection in until the token or API key ends or is revoked; again with a new token to renew. */
  authenticate: {
    params: {
      /** the token, or an API key; required unless token is sent */
      auth_token?: string;
      /** the same as auth_token, as older clients call it */
      token?: string;
      /** what the token is; told from its text when absent */
      auth_type?: 'jwt' | 'api_key';
    };
    result: AuthResult;
  };
  /** Lists every camera with its state and links. */
  get_camera_list: {
    params: undefined;
    result: CameraList;
  };
  /** Tells one camera's state, figures and capabilities. */
  get_camera_status: {
    params: {
      /** the camera's id, such as camera0 */
      device: string;
    };
    result: CameraStatus;
  };
  /** Tells every format, size and rate one camera offers. */
  get_camera_capabilities: {
    params: {
      /** the camera's id, such as camera0 */
      device: string;
    };
    result: Capabilities;
  };
  /** Lists what can be set on a camera (brightness, exposure, focus, …), with ranges and present values. */
  get_camera_controls: {
    params: {
      /** the camera's id, such as camera0 */
      device: string;
    };
    result: CameraControls;
  };
  /** Sets controls while the picture runs and tells what the camera made of them. Automatic modes are set first; the first refusal ends it, and what was set before it stays. The values are set again when the camera was unplugged or the service restarted; null is forgotten. */
  set_camera_controls: {
    params: {
      /** the camera's id, such as camera0 */
      device: string;
      /** name and value of each control to set: a number, true or false, the name of a menu item, or null for the camera's default */
      controls: Record<string, number | boolean | string | null>;
    };
    result: CameraControls;
  };
  /** Tells bit rate, key frame distance, size and rate of a camera's picture; the first two are null where the camera codes by itself and nobody knows them. */
  get_video: {
    params: {
      /** the camera's id, such as camera0 */
      device: string;
    };
    result: Video;
  };
  /** Changes a camera's picture while viewers watch; at least one of the four. What is left out stays. Tells what the picture is like now, and whether the change took no pause. It is remembered for this camera, also over a restart, until the configuration file asks for something else than it did. */
  set_video: {
    params: {
      /** the camera's id, such as camera0 */
      device: string;
      /** the encoder's target in thousands of bits per second */
      bitrate_kbps?: number;
      /** seconds from one key frame to the next, at most; a viewer waits this long for a picture */
      keyframe_seconds?: number;
      /** picture size such as 1280x720; get_camera_capabilities lists them, the camera gives its nearest one */
      resolution?: string;
      /** frames per second; the camera gives its nearest rate */
      fps?: number;
    };
    result: Video;
  };
  /** Asks for a key frame as soon as the encoder can give one. A camera that codes by itself is asked through its control force_key_frame; one without it is unsupported. */
  request_keyframe: {
    params: {
      /** the camera's id, such as camera0 */
      device: string;
    };
    result: KeyframeRequest;
  };
  /** Tells where the stream of a camera or external source is and whether it can be watched; starts nothing. */
  get_stream_url: {
    params: {
      /** the camera's id, such as camera0, or the name of an external stream */
      device: string;
    };
    result: StreamUrl;
  };
  /** Lists every stream MediaMTX knows. */
  get_streams: {
    params: undefined;
    result: StreamList;
  };
  /** Gives a token for one stream in one direction, for an address that others may see. It is no login. What it has opened ends with the credential it was asked for with. */
  get_stream_token: {
    params: {
      /** the camera or stream, such as camera0; to publish, a name such as live-door: live- and 1 to 48 of a-z, 0-9 and - */
      device: string;
      /** read (without it) or publish; publish needs the role operator */
      action?: 'read' | 'publish';
      /** seconds the token opens the stream; 60 without it. What it has opened stays */
      ttl_s?: number;
    };
    result: StreamToken;
  };
  /** Gives a new token with the rights and the length of life of the one this connection is logged in with; authenticate with it to renew the connection. Both have one token_id, and revoking it ends both. */
  refresh_token: {
    params: undefined;
    result: RefreshedToken;
  };
  /** Takes a token's rights at once, on every connection and in every player: without parameters those of the token this connection is logged in with. */
  revoke_token: {
    params: {
      /** the token's id; admin only */
      token_id?: string;
      /** every token of this user that was made until now; admin only */
      user_id?: string;
    };
    result: TokenRevoked;
  };
  /** Lists the API keys, newest first; never the keys themselves, which are not kept. */
  list_api_keys: {
    params: {
      /** only keys of this role */
      role?: 'viewer' | 'operator' | 'admin';
      /** only keys that stand so */
      status?: 'active' | 'revoked' | 'expired';
    };
    result: ApiKeyList;
  };
  /** Makes an API key. The answer holds it for the only time. */
  create_api_key: {
    params: {
      /** what the key may do */
      role: 'viewer' | 'operator' | 'admin';
      /** how long it lasts: 12h, 30d, 90d, 1y or never; api_key_management.default_expiry without it */
      expiry?: string;
      /** what it is for: one line of at most 200 characters */
      description?: string;
    };
    result: NewApiKey;
  };
  /** Takes an API key's rights at once, on every connection and in every player. */
  revoke_api_key: {
    params: {
      /** the key's id; list_api_keys names it */
      key_id: string;
    };
    result: ApiKey;
  };
  /** Subscribes this connection to topics until it ends or unsubscribes. */
  subscribe_events: {
    params: {
      /** what to be told of; added to what was subscribed to before */
      topics: ('camera.connected' | 'camera.disconnected' | 'camera.status_change' | 'recording.start' | 'recording.stop' | 'recording.error' | 'snapshot.taken' | 'system.health' | 'system.startup' | 'system.shutdown' | 'camera.capability_detected' | 'camera.capability_error' | 'recording.progress' | 'snapshot.error' | 'system.error' | 'mediamtx.stream' | 'mediamtx.path' | 'mediamtx.error' | 'mediamtx.recording_started' | 'mediamtx.recording_stopped' | 'mediamtx.recording_failed' | 'mediamtx.stream_started' | 'mediamtx.stream_stopped' | 'camera_status_update' | 'recording_status_update')[];
      /** tell only of this device or this status; holds for these topics and replaces their earlier filters */
      filters?: {
        device?: string;
        status?: string;
      };
    };
    result: Subscribed;
  };
  /** Ends subscriptions of this connection. */
  unsubscribe_events: {
    params: {
      /** what to be told of no longer; everything when absent */
      topics?: ('camera.connected' | 'camera.disconnected' | 'camera.status_change' | 'recording.start' | 'recording.stop' | 'recording.error' | 'snapshot.taken' | 'system.health' | 'system.startup' | 'system.shutdown' | 'camera.capability_detected' | 'camera.capability_error' | 'recording.progress' | 'snapshot.error' | 'system.error' | 'mediamtx.stream' | 'mediamtx.path' | 'mediamtx.error' | 'mediamtx.recording_started' | 'mediamtx.recording_stopped' | 'mediamtx.recording_failed' | 'mediamtx.stream_started' | 'mediamtx.stream_stopped' | 'camera_status_update' | 'recording_status_update')[];
    };
    result: Unsubscribed;
  };
  /** Counts the subscriptions of all connections and lists this one's. */
  get_subscription_stats: {
    params: undefined;
    result: SubscriptionStats;
  };
  /** Tells in one word how the service is, and which figure decided it. */
  get_status: {
    params: undefined;
    result: ServiceStatus;
  };
  /** Tells whether a viewer who comes now gets a picture. */
  get_system_status: {
    params: undefined;
    result: SystemStatus;
  };
  /** Tells which program this is and what it can. */
  get_server_info: {
    params: undefined;
    result: ServerInfo;
  };
  /** Tells the figures of the machine, the cameras and the streams; from memory, at once. */
  get_metrics: {
    params: undefined;
    result: SystemMetrics;
  };
  /** Who logged in, claimed or changed what, newest first; the oldest are dropped beyond 4 MiB. */
  get_audit_log: {
    params: {
      /** how many entries, 100 when absent */
      limit?: number;
      /** how many of the newest to leave out, 0 when absent */
      offset?: number;
    };
    result: AuditLog;
  };
  /** A link that downloads a recording or snapshot for a while without any header. */
  get_download_url: {
    params: {
      /** recording or snapshot */
      kind: 'recording' | 'snapshot';
      /** the name as the lists give it, with or without its extension */
      filename: string;
      /** seconds the link is good for; 300 when absent, never longer than this login */
      ttl_s?: number;
    };
    result: DownloadUrl;
  };
  /** A link to what was recorded of a camera or stream from one moment to another, 12 hours at most, as one MP4 over all recordings. It begins at the key frame at or before the start. */
  get_range_url: {
    params: {
      /** the camera's id, such as camera0, or the name of an external stream */
      device: string;
      /** from when, as RFC 3339 writes it, with any offset */
      start: string;
      /** until when, likewise; this or duration */
      end?: string;
      /** for how many seconds, in the place of end */
      duration?: number;
      /** seconds the link is good for; 3600 when absent, never longer than this login */
      ttl_s?: number;
    };
    result: RangeUrl;
  };
  /** Tells what holds of the configuration now (secrets left out), which keys wait for a restart of the service, when it was read, and why the last reading was refused, if it was. */
  get_configuration: {
    params: undefined;
    result: Configuration;
  };
  /** Reads the configuration anew and acts on what changed, as SIGHUP does. With mistakes in it, all of them are told and nothing changes. */
  reload_configuration: {
    params: undefined;
    result: ConfigurationReload;
  };
  /** Records a camera or an external stream; answers when the file is on the disk and grows. */
  start_recording: {
    params: {
      /** the camera's id, such as camera0, or the name of an external stream */
      device: string;
      /** seconds after which it ends by itself; absent: when stop_recording is called */
      duration?: number;
      /** the container: fmp4 (the default) is fragmented MP4, mp4 a plain MP4 with its head in front, made when it stops; mkv is not built */
      format?: 'fmp4' | 'mp4' | 'mkv';
      /** a name for it; a taken one gets -2, -3 and so on. Absent: the camera and the time in UTC */
      filename?: string;
      /** milliseconds before this call at which it begins, as far as pictures are held; at most recording.pre_event_ms of the configuration, which is what an absent one means for cameras */
      pre_event_ms?: number;
    };
    result: RecStart;
  };
  /** Ends the recording of a camera or an external stream; answers when the file is finished. A plain MP4 is waited for 5 s; then format is fmp4, and extensions.finalising says that it is still being made. */
  stop_recording: {
    params: {
      /** the camera's id, such as camera0, or the name of an external stream */
      device: string;
    };
    result: RecStop;
  };
  /** Lists recordings, the newest first, those that run included. What a file holds is null until it has been examined, which a recording is when it ends. */
  list_recordings: {
    params: {
      /** files in the answer at most; 50 when it is absent */
      limit?: number;
      /** files to pass over, counted from the newest */
      offset?: number;
    };
    result: RecordingList;
  };
  /** Tells size, duration and more of one recording; of one that runs, as far as it has got. */
  get_recording_info: {
    params: {
      /** the recording's name, with or without extension */
      filename: string;
    };
    result: RecInfo;
  };
  /** Deletes one recording that neither runs nor is protected. */
  delete_recording: {
    params: {
      /** the recording's name, with or without extension */
      filename: string;
    };
    result: Deleted;
  };
  /** Tells when a camera is recorded by itself, and whether it is now, and why. */
  get_recording_mode: {
    params: {
      /** the camera's id, such as camera0 */
      device: string;
    };
    result: RecordingMode;
  };
  /** Says when a camera is recorded by itself; holds over restarts and unplugging. What the mode before has begun and this one does not want ends; what somebody asked for goes on. */
  set_recording_mode: {
    params: {
      /** the camera's id, such as camera0 */
      device: string;
      /** manual: when somebody asks; continuous: always; scheduled: in the windows of schedule; default: as recording.mode of the configuration says */
      mode: 'manual' | 'continuous' | 'scheduled' | 'default';
      /** for scheduled: weekly windows in the time zone of the configuration, such as mon-fri 22:00-06:00; sat,sun 00:00-24:00. One over midnight belongs to the day on which it begins */
      schedule?: string;
    };
    result: RecordingMode;
  };
  /** Writes the picture of now of a camera or an external stream as a JPEG file. */
  take_snapshot: {
    params: {
      /** the camera's id, such as camera0, or the name of an external stream */
      device: string;
      /** a name for it; a taken one gets -2, -3 and so on. Absent: the camera and the time in UTC */
      filename?: string;
    };
    result: Snapshot;
  };
  /** Lists snapshots, the newest first. */
  list_snapshots: {
    params: {
      /** files in the answer at most; 50 when it is absent */
      limit?: number;
      /** files to pass over, counted from the newest */
      offset?: number;
    };
    result: SnapshotList;
  };
  /** Tells the size of one snapshot. */
  get_snapshot_info: {
    params: {
      /** the snapshot's name, with or without extension */
      filename: string;
    };
    result: SnapInfo;
  };
  /** Deletes one snapshot. */
  delete_snapshot: {
    params: {
      /** the snapshot's name, with or without extension */
      filename: string;
    };
    result: Deleted;
  };
  /** Tells how full the medium of the recordings is, and which retention policy is set. */
  get_storage_info: {
    params: undefined;
    result: StorageInfo;
  };
  /** Says what is deleted by itself, every ten minutes; holds over restarts. Both limits may be given, and then both hold. A running or protected recording is never deleted, and nothing by its age while the clock is not synchronised. Disabled or manual, it switches the quotas of the configuration off, too. */
  set_retention_policy: {
    params: {
      /** age needs max_age_days, size needs max_size_gb, manual deletes nothing by itself */
      policy_type: 'age' | 'size' | 'manual';
      /** false: nothing is deleted, whatever the limits */
      enabled: boolean;
      /** files that were written last so many days ago are deleted */
      max_age_days?: number;
      /** recordings and snapshots together take at most so many gigabytes of 10^9 bytes; the oldest go first */
      max_size_gb?: number;
    };
    result: RetentionPolicy;
  };
  /** Deletes now what the retention policy and the quotas of the configuration say; the message tells what could not be done, and why. */
  cleanup_old_files: {
    params: undefined;
    result: Cleanup;
  };
  /** Protects one recording from being deleted, by a policy, a quota or by hand, until the protection is taken off. */
  protect_recording: {
    params: {
      /** the recording's name, with or without extension */
      filename: string;
      /** false takes the protection off; true when it is absent */
      protected?: boolean;
    };
    result: Protection;
  };
  /** Tells how the off-site copy is: what waits, what was copied, how fast, and what failed last with the next action. */
  get_offsite_status: {
    params: undefined;
    result: OffsiteStatus;
  };
  /** Marks a stream as watched. The mark ends with stop_streaming, or when nobody has read the stream for auto_close_after. */
  start_streaming: {
    params: {
      /** the camera's id, such as camera0, or the name of an external stream */
      device: string;
    };
    result: StreamStart;
  };
  /** Takes the mark of start_streaming away. Viewers and recordings go on. */
  stop_streaming: {
    params: {
      /** the camera's id, such as camera0, or the name of an external stream */
      device: string;
    };
    result: StreamStop;
  };
  /** Tells whether a stream is sent and watched, since when, and how fast it is. */
  get_stream_status: {
    params: {
      /** the camera's id, such as camera0, or the name of an external stream */
      device: string;
    };
    result: StreamStatus;
  };
  /** Searches the configured networks for streams and answers when the search is over; adds nothing. */
  discover_external_streams: {
    params: {
      /** show Skydio drones; true where it is not given */
      skydio_enabled?: boolean;
      /** show other streams; false where it is not given */
      generic_enabled?: boolean;
      /** search even when the last search is no older than 30 s */
      force_rescan?: boolean;
      /** show also what answered earlier and does not now */
      include_offline?: boolean;
    };
    result: Discovery;
  };
  /** Adds a stream of somebody else: MediaMTX pulls it from now on, and after every restart. */
  add_external_stream: {
    params: {
      /** rtsp:// or rtsps://, at most 2048 characters; user name and password in it are used and never shown again */
      stream_url: string;
      /** its name, and that of its path: small letters, digits, _ and - */
      stream_name: string;
      /** what sends it; generic_rtsp where it is not given */
      stream_type?: 'skydio_stanag4609' | 'generic_rtsp';
    };
    result: ExternalStreamAdded;
  };
  /** Removes an added stream by its address, with or without the credentials; its viewers are cut off. */
  remove_external_stream: {
    params: {
      /** rtsp:// or rtsps://, at most 2048 characters; user name and password in it are used and never shown again */
      stream_url: string;
    };
    result: ExternalStreamRemoved;
  };
  /** Lists the added streams, and those that the last search found. */
  get_external_streams: {
    params: undefined;
    result: ExternalStreams;
  };
  /** Sets how often streams are searched for, until the service starts anew. */
  set_discovery_interval: {
    params: {
      /** seconds from the end of one search to the next; 0 searches on demand only */
      scan_interval: number;
    };
    result: DiscoveryInterval;
  };
  /** Describes every method as an OpenRPC document. */
  'rpc.discover': {
    params: undefined;
    result: OpenRpc;
  };
}

export interface Notifications {
  /** A camera came, went, failed or changed its format; sent to every connection that is logged in. */
  camera_status_update: Camera;
  /** A recording began, ended or failed; sent to every connection that is logged in. */
  recording_status_update: RecordingUpdate;
  /** Something happened; the method is the topic. Sent to those who subscribed to it with subscribe_events. */
  TOPIC: Event;
  /** This connection took its events too slowly: count of them are lost; ask for the present state. */
  events_dropped: EventsDropped;
}
