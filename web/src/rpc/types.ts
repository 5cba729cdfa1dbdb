/** The part of the JSON-RPC contract this page uses. Names and shapes are the server's. */

export type Role = 'viewer' | 'operator' | 'admin';

export interface AuthResult {
  authenticated: boolean;
  role: Role;
  permissions: string[];
  expires_at: string;
  session_id: string;
}

export type CameraStatus = 'CONNECTED' | 'DISCONNECTED' | 'ERROR';

/** Additions to the documented fields. A server may send any, all or none of them. */
export interface CameraExtensions {
  /** One sentence for people, when the status is not CONNECTED. */
  reason?: string;
  /** One sentence: what to do about it. */
  action?: string;
  /** The exact rate; the documented field is rounded. */
  fps?: number;
  /** How the picture becomes H.264, such as "software (openh264)". */
  route?: string;
}

export interface StreamAddresses {
  rtsp: string;
  hls: string;
  webrtc?: string;
}

export interface Camera {
  device: string;
  status: CameraStatus;
  name: string;
  resolution: string;
  fps: number;
  streams: StreamAddresses;
  extensions?: CameraExtensions;
}

export interface CameraMetrics {
  bytes_sent: number;
  readers: number;
  /** Seconds. */
  uptime: number;
}

export interface CameraStatusResult extends Camera {
  metrics?: CameraMetrics;
  capabilities?: { formats: string[]; resolutions: string[] };
}

export interface CameraList {
  cameras: Camera[];
  total: number;
  connected: number;
}

export interface CameraCapabilities {
  device: string;
  formats: string[];
  resolutions: string[];
  fps_options: number[];
  validation_status: 'NONE' | 'DISCONNECTED' | 'CONFIRMED';
}

export interface StreamUrl {
  device: string;
  stream_name: string;
  stream_url: string;
  available: boolean;
  active_consumers: number;
  stream_status: 'READY' | 'NOT_READY' | 'ERROR';
}

export interface StreamInfo {
  name: string;
  source: string;
  ready: boolean;
  readers: number;
  bytes_sent: number;
}

export interface MenuItem {
  value: number;
  name: string;
}

export type ControlValue = number | boolean | null;

/** Something that can be set on a camera's sensor. */
export interface CameraControl {
  name: string;
  label: string;
  type: 'integer' | 'boolean' | 'menu' | 'button';
  /** These three of an integer only. */
  min?: number;
  max?: number;
  step?: number;
  /** Of a menu only. */
  menu?: MenuItem[];
  value: ControlValue;
  default: ControlValue;
  inactive: boolean;
  read_only: boolean;
}

export interface CameraControls {
  device: string;
  controls: CameraControl[];
}

export interface VideoChange {
  bitrate_kbps?: number;
  keyframe_seconds?: number;
  resolution?: string;
  fps?: number;
}

export interface Video extends Required<Omit<VideoChange, 'bitrate_kbps' | 'keyframe_seconds'>> {
  device: string;
  /** null where the camera codes by itself. */
  bitrate_kbps: number | null;
  /** null likewise. */
  keyframe_seconds: number | null;
  /** The last change took no pause. */
  seamless: boolean;
}

export interface Methods {
  ping: { params: undefined; result: 'pong' };
  authenticate: { params: { auth_token: string }; result: AuthResult };
  get_camera_list: { params: undefined; result: CameraList };
  get_camera_status: { params: { device: string }; result: CameraStatusResult };
  get_camera_capabilities: { params: { device: string }; result: CameraCapabilities };
  get_camera_controls: { params: { device: string }; result: CameraControls };
  set_camera_controls: {
    params: { device: string; controls: Record<string, ControlValue | string> };
    result: CameraControls;
  };
  get_video: { params: { device: string }; result: Video };
  set_video: { params: { device: string } & VideoChange; result: Video };
  get_stream_url: { params: { device: string }; result: StreamUrl };
  get_streams: { params: undefined; result: StreamInfo[] };
}

export interface Notifications {
  camera_status_update: Camera;
}

export type MethodName = keyof Methods;
export type Params<M extends MethodName> = Methods[M]['params'];
export type Result<M extends MethodName> = Methods[M]['result'];
