/**
 * Every method's parameters and result, as the service describes them. Written by
 * `tools/typescript.py`; change the method table, not this file.
 */

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

export interface KeyframeRequest {
  device: string;
  requested: boolean;
}

export interface MenuItem {
  name: string;
  value: number;
}

/** an OpenRPC document */
export type OpenRpc = Record<string, unknown>;

export type Pong = 'pong';

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

export interface StreamInfo {
  bytes_sent: number;
  name: string;
  readers: number;
  ready: boolean;
  source: string;
}

export type StreamList = StreamInfo[];

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

export interface Video {
  bitrate_kbps: number;
  device: string;
  fps: number;
  keyframe_seconds: number;
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
  /** Logs this connection in until the token ends; again with a new token to renew. */
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
  /** Sets controls while the picture runs and tells what the camera made of them. Automatic modes are set first; the first refusal ends it, and what was set before it stays. The values are set again when the camera was unplugged and comes back. */
  set_camera_controls: {
    params: {
      /** the camera's id, such as camera0 */
      device: string;
      /** name and value of each control to set: a number, true or false, the name of a menu item, or null for the camera's default */
      controls: Record<string, number | boolean | string | null>;
    };
    result: CameraControls;
  };
  /** Tells bit rate, key frame distance, size and rate of a camera's picture. */
  get_video: {
    params: {
      /** the camera's id, such as camera0 */
      device: string;
    };
    result: Video;
  };
  /** Changes a camera's picture while viewers watch; at least one of the four. What is left out stays. Tells what the picture is like now, and whether the change took no pause. Holds until the service restarts; the configuration file is for good. */
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
  /** Asks for a key frame as soon as the encoder can give one. */
  request_keyframe: {
    params: {
      /** the camera's id, such as camera0 */
      device: string;
    };
    result: KeyframeRequest;
  };
  /** Tells where a camera's stream is and whether it can be watched; starts nothing. */
  get_stream_url: {
    params: {
      /** the camera's id, such as camera0 */
      device: string;
    };
    result: StreamUrl;
  };
  /** Lists every stream MediaMTX knows. */
  get_streams: {
    params: undefined;
    result: StreamList;
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
}
