//! A bucket of S3 or of what is compatible with it.
//!
//! Every request is signed for itself and carries the SHA-256 of what it brings, which the store
//! compares before the object is there.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use coracle::provider::Policy;
use coracle::provider::passes;
use reqwest::Client;
use reqwest::Response;
use reqwest::StatusCode;
use reqwest::Url;
use rusty_s3::Credentials;
use rusty_s3::S3Action;
use rusty_s3::UrlStyle;
use sha2::Digest;
use sha2::Sha256;

use super::cache_control;
use crate::error::Failure;
use crate::transport;
use crate::transport::explained;

/// How long a signature holds.
const SIGNED_FOR: Duration = Duration::from_secs(900);

/// Longest time for one request, with up to 5 GB on a slow line.
const PATIENCE: Duration = Duration::from_secs(900);

/// The bucket.
pub(super) struct Bucket {
    client: Client,
    bucket: rusty_s3::Bucket,
    credentials: Credentials,
    /// What stands before the names of files, with a slash at its end or empty.
    prefix: String,
}

impl Bucket {
    /// The bucket and prefix of `place`, at an endpoint or at AWS. Keys come from the variables that
    /// all tools for S3 read.
    pub(super) fn new(
        place: &str,
        endpoint: Option<&str>,
        region: Option<&str>,
    ) -> Result<Self, Failure> {
        let usage = |flag, problem: &str| Failure::Usage {
            flag,
            problem: problem.into(),
        };
        let (name, prefix) = place.split_once('/').unwrap_or((place, ""));
        if name.is_empty() {
            return Err(usage("--to", "names no bucket; give s3://BUCKET/PREFIX"));
        }
        let prefix = match prefix.trim_matches('/') {
            "" => String::new(),
            prefix => format!("{prefix}/"),
        };
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let usual = if endpoint.is_some() {
            "auto"
        } else {
            "us-east-1"
        };
        let region = region.map(String::from).or_else(|| variable("AWS_REGION"));
        let region = region.unwrap_or_else(|| usual.into());
        let at_aws = format!("https://s3.{region}.amazonaws.com");
        let endpoint: Url = endpoint.unwrap_or(&at_aws).parse().map_err(|_| {
            usage(
                "--endpoint",
                "is no address; give one like https://ID.r2.cloudflarestorage.com",
            )
        })?;
        let is_local = matches!(
            endpoint.host_str(),
            Some("127.0.0.1" | "localhost" | "[::1]")
        );
        if endpoint.scheme() != "https" && !is_local {
            return Err(usage(
                "--endpoint",
                "is not encrypted; give an https:// address",
            ));
        }
        let bucket = rusty_s3::Bucket::new(endpoint, UrlStyle::Path, name.to_owned(), region);
        let keys = (
            variable("AWS_ACCESS_KEY_ID"),
            variable("AWS_SECRET_ACCESS_KEY"),
        );
        let (Some(id), Some(secret)) = keys else {
            return Err(usage(
                "--to",
                "needs keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            ));
        };
        let credentials = match variable("AWS_SESSION_TOKEN") {
            Some(token) => Credentials::new_with_token(id, secret, token),
            None => Credentials::new(id, secret),
        };
        let setup = |reason| Failure::Setup { reason };
        let client = transport::client().map_err(|error| setup(error.to_string()))?;
        let client = client.timeout(PATIENCE).build();
        Ok(Self {
            client: client.map_err(|error| setup(explained(error)))?,
            bucket: bucket.map_err(|error| usage("--endpoint", &error.to_string()))?,
            credentials,
            prefix,
        })
    }

    pub(super) async fn has(&self, name: &str, len: u64) -> Result<bool, Failure> {
        let object = [&*self.prefix, name].concat();
        let response = self
            .send(&object, || {
                let action = self.bucket.head_object(Some(&self.credentials), &object);
                self.client.head(action.sign(SIGNED_FOR))
            })
            .await?;
        match response.status() {
            StatusCode::NOT_FOUND => Ok(false),
            status if status.is_success() => {
                let length = response.headers().get("content-length");
                let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
                Ok(length == Some(len))
            }
            status => Err(refused(&object, status, "")),
        }
    }

    pub(super) async fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), Failure> {
        let object = [&*self.prefix, name].concat();
        let sum = BASE64_STANDARD.encode(Sha256::digest(&bytes));
        let headers = [
            ("cache-control", cache_control(name)),
            ("content-type", "application/octet-stream"),
            ("x-amz-checksum-sha256", &*sum),
        ];
        let bytes = hyper::body::Bytes::from(bytes);
        let response = self
            .send(&object, || {
                let mut action = self.bucket.put_object(Some(&self.credentials), &object);
                for (name, value) in headers {
                    action.headers_mut().insert(name, value);
                }
                let mut put = self.client.put(action.sign(SIGNED_FOR));
                for (name, value) in headers {
                    put = put.header(name, value);
                }
                put.header("content-length", bytes.len())
                    .body(bytes.clone())
            })
            .await?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let text = response.text().await.unwrap_or_default();
        Err(refused(&object, status, &text))
    }

    /// Sends until there is an answer that lasts.
    async fn send(
        &self,
        object: &str,
        request: impl Fn() -> reqwest::RequestBuilder,
    ) -> Result<Response, Failure> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let sent = request().send().await;
            if let Ok(response) = &sent
                && !passes(response.status().as_u16())
            {
                return sent.map_err(|error| failed(object, &explained(error)));
            }
            let asked = sent.as_ref().ok().and_then(transport::asked_pause);
            match Policy::BUILD.wait(attempts, asked, u32::MAX, fastrand::f64()) {
                Some(millis) => tokio::time::sleep(Duration::from_millis(millis.into())).await,
                None => return sent.map_err(|error| failed(object, &explained(error))),
            }
        }
    }
}

fn failed(object: &str, why: &str) -> Failure {
    Failure::Deploy {
        object: object.into(),
        reason: format!("{why}; run again, what is there is not sent again"),
    }
}

/// A refusal by the store, of whose words the error's code is told.
fn refused(object: &str, status: StatusCode, text: &str) -> Failure {
    let code = text
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"));
    let code = code.map(|(code, _)| code.chars().filter(char::is_ascii_alphanumeric).take(64));
    let code: String = code.into_iter().flatten().collect();
    let way_out = match status.as_u16() {
        401 | 403 => "check the keys, and that they may write to this bucket",
        404 => "check the bucket's name and --endpoint",
        301 | 307 | 400 => "check --region and --endpoint",
        413 => "build with files of fewer bytes",
        _ => "run again, what is there is not sent again",
    };
    let reason = format!("the store answered {} {code}; {way_out}", status.as_u16());
    Failure::Deploy {
        object: object.into(),
        reason,
    }
}
