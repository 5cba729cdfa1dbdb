//! Asks the store, and says what its failures mean.

use std::sync::Arc;

use hyper::body::Bytes;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::multipart::{MultipartStore as _, PartId};
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, GetOptions, ObjectStore as _, PutMultipartOptions, PutOptions,
    PutPayload, RetryConfig,
};

use crate::offsite::Settings;
use crate::offsite::cause::{Cause, Seen, understand};
use crate::offsite::secret::Access;
use crate::offsite::upload::Begun;
use crate::offsite::wire::io::{Plug, Wire};

/// The name of the digest among an object's own metadata: `x-amz-meta-sha256`.
const DIGEST: &str = "sha256";

/// The store.
pub(in crate::offsite) struct Store {
    s3: AmazonS3,
    wire: Arc<Wire>,
}

/// What the store has under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::offsite) struct There {
    pub(in crate::offsite) size: u64,
    pub(in crate::offsite) sha256: Option<String>,
}

impl There {
    /// Whether it is that file.
    pub(in crate::offsite) fn is(&self, size: u64, sha256: &str) -> bool {
        self.size == size && self.sha256.as_deref() == Some(sha256)
    }
}

impl Store {
    /// The store of these settings. Each request is made once: who asks decides about the next attempt.
    ///
    /// # Errors
    /// What is wrong with the address.
    pub(in crate::offsite) fn new(
        settings: &Settings,
        access: Access,
        wire: Arc<Wire>,
    ) -> Result<Self, Cause> {
        let address = settings.address();
        let mut builder = AmazonS3Builder::new()
            .with_endpoint(&address)
            .with_allow_http(address.starts_with("http:"))
            .with_region(&settings.region)
            .with_bucket_name(&settings.bucket)
            .with_access_key_id(access.key)
            .with_secret_access_key(access.secret)
            .with_retry(RetryConfig {
                max_retries: 0,
                ..RetryConfig::default()
            })
            .with_http_connector(Plug(Arc::clone(&wire)));
        if let Some(token) = access.token {
            builder = builder.with_token(token);
        }
        let s3 = builder
            .build()
            .map_err(|e| understand(&Seen::Odd(e.to_string())))?;
        Ok(Self { s3, wire })
    }

    /// What is there under a name.
    pub(in crate::offsite) async fn look(&self, object: &str) -> Result<Option<There>, Cause> {
        let path = Path::from(object);
        let options = GetOptions {
            head: true,
            ..GetOptions::default()
        };
        match self.s3.get_opts(&path, options).await {
            Ok(found) => {
                let key = Attribute::Metadata(DIGEST.into());
                Ok(Some(There {
                    size: found.meta.size,
                    sha256: found.attributes.get(&key).map(|value| value.to_string()),
                }))
            }
            Err(error) => match self.wire.take_failure() {
                // An answer to HEAD has no body: a bucket that is not there looks like an object that is not.
                Some(Seen::Answer { status: 404, .. }) => match self.ask_why(&path).await {
                    Some(Seen::Answer {
                        status: 404,
                        code: Some(code),
                    }) if code == "NoSuchBucket" => Err(understand(&Seen::Answer {
                        status: 404,
                        code: Some(code),
                    })),
                    Some(Seen::Answer { status: 404, .. }) | None => Ok(None),
                    Some(other) => Err(understand(&other)),
                },
                Some(seen @ Seen::Answer { .. }) => {
                    let why = self.ask_why(&path).await;
                    Err(understand(&why.unwrap_or(seen)))
                }
                seen => Err(self.cause(error, seen)),
            },
        }
    }

    /// Asks once more in a way whose answer says why.
    async fn ask_why(&self, path: &Path) -> Option<Seen> {
        let options = GetOptions {
            range: Some((0..1).into()),
            ..GetOptions::default()
        };
        let _ = self.s3.get_opts(path, options).await;
        self.wire.take_failure()
    }

    /// Puts a small file in one piece.
    pub(in crate::offsite) async fn put(
        &self,
        object: &str,
        pieces: Vec<Bytes>,
        sha256: &str,
    ) -> Result<(), Cause> {
        let options = PutOptions {
            attributes: attributes(object, sha256),
            ..PutOptions::default()
        };
        let payload: PutPayload = pieces.into_iter().collect();
        let path = Path::from(object);
        let put = self.s3.put_opts(&path, payload, options).await;
        put.map(drop).map_err(|e| self.failed(e))
    }

    /// Begins an upload in parts; gives the store's name for it.
    pub(in crate::offsite) async fn begin(
        &self,
        object: &str,
        sha256: &str,
    ) -> Result<String, Cause> {
        let options = PutMultipartOptions {
            attributes: attributes(object, sha256),
            ..PutMultipartOptions::default()
        };
        let path = Path::from(object);
        let begun = self.s3.create_multipart_opts(&path, options).await;
        begun.map_err(|e| self.failed(e))
    }

    /// Sends a part; gives what the store calls it.
    pub(in crate::offsite) async fn part(
        &self,
        begun: &Begun,
        number: usize,
        pieces: Vec<Bytes>,
    ) -> Result<String, Cause> {
        let payload: PutPayload = pieces.into_iter().collect();
        let path = Path::from(begun.object.as_str());
        let sent = self
            .s3
            .put_part(&path, &begun.upload, number, payload)
            .await;
        sent.map(|part| part.content_id).map_err(|e| self.failed(e))
    }

    /// Has the store put the parts together.
    pub(in crate::offsite) async fn complete(&self, begun: &Begun) -> Result<(), Cause> {
        let parts = begun.etags().iter().map(|etag| PartId {
            content_id: etag.clone(),
        });
        let path = Path::from(begun.object.as_str());
        let done = self
            .s3
            .complete_multipart(&path, &begun.upload, parts.collect())
            .await;
        done.map(drop).map_err(|e| self.failed(e))
    }

    /// Has the store throw the parts away.
    pub(in crate::offsite) async fn abort(&self, begun: &Begun) -> Result<(), Cause> {
        let path = Path::from(begun.object.as_str());
        let done = self.s3.abort_multipart(&path, &begun.upload).await;
        done.map_err(|e| self.failed(e))
    }

    fn failed(&self, error: object_store::Error) -> Cause {
        let seen = self.wire.take_failure();
        self.cause(error, seen)
    }

    /// What did not fail on the way failed in what came back.
    fn cause(&self, error: object_store::Error, seen: Option<Seen>) -> Cause {
        understand(&seen.unwrap_or_else(|| Seen::Odd(error.to_string())))
    }
}

fn attributes(object: &str, sha256: &str) -> Attributes {
    let kind = match object.ends_with(crate::snapshot::EXTENSION) {
        true => "image/jpeg",
        false => "video/mp4",
    };
    Attributes::from_iter([
        (Attribute::ContentType, kind.to_owned()),
        (Attribute::Metadata(DIGEST.into()), sha256.to_owned()),
    ])
}
