//! Publishing: RTP packets, the RTSP session to MediaMTX, the ring that bridges its absence.
