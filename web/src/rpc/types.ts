/**
 * The contract as this page reads it: the service's own types (`contract.ts` is made from them), and
 * names for the parts that the page speaks of.
 *
 * `extensions` and the WebRTC address are more than another server of this contract need have, so
 * the page takes none of them for granted.
 */

import type * as contract from './contract.ts';

export type {
  ApiKey,
  AuditEntry,
  AuthResult,
  CameraControl,
  CameraControls,
  Configuration,
  ExternalStream,
  MenuItem,
  NewApiKey,
  Notifications,
  OffsiteStatus,
  RecordingUpdate,
  StorageInfo,
  StreamInfo,
  StreamUrl,
  Video,
} from './contract.ts';

export type Role = contract.AuthResult['role'];

export type CameraExtensions = Partial<contract.CameraExtensions>;

export type StreamAddresses = Omit<contract.Streams, 'webrtc'> & Partial<Pick<contract.Streams, 'webrtc'>>;

type Lenient<T extends { extensions: unknown; streams: unknown }> = Omit<T, 'extensions' | 'streams'> & {
  extensions?: CameraExtensions;
  streams: StreamAddresses;
};

export type Camera = Lenient<contract.Camera>;
export type CameraStatus = Camera['status'];
export type CameraList = Omit<contract.CameraList, 'cameras'> & { cameras: Camera[] };
export type CameraMetrics = contract.CameraStatus['metrics'];
export type CameraStatusResult = Lenient<Omit<contract.CameraStatus, 'metrics' | 'capabilities'>> &
  Partial<Pick<contract.CameraStatus, 'metrics' | 'capabilities'>>;
export type CameraCapabilities = contract.Capabilities;
export type ControlValue = contract.CameraControl['value'];
export type Topic = contract.Methods['subscribe_events']['params']['topics'][number];
/** A recording or a snapshot, as the lists tell of it. */
export type Filed = Omit<contract.RecordingList['files'][number], 'extensions'> & {
  extensions?: Partial<Pick<contract.RecordingList['files'][number]['extensions'], 'device' | 'recording' | 'time' | 'offsite'>>;
};
export type VideoChange = Omit<contract.Methods['set_video']['params'], 'device'>;

/** Results that the page takes more leniently than the service promises them. */
interface Leniently {
  get_camera_list: CameraList;
  get_camera_status: CameraStatusResult;
}

export type MethodName = keyof contract.Methods;
export type Params<M extends MethodName> = contract.Methods[M]['params'];
export type Result<M extends MethodName> = M extends keyof Leniently ? Leniently[M] : contract.Methods[M]['result'];
