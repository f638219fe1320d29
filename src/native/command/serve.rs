//! `coracle serve`: a folder of static files on this machine, with byte ranges, for trying things out.

use crate::error::Failure;
use crate::publish::is_body_file;
use std::fs::File;
use std::io;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::net::SocketAddr;
use std::path::Component;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use tiny_http::Header;
use tiny_http::Method;
use tiny_http::Request;
use tiny_http::Response;
use tiny_http::Server;
use tiny_http::StatusCode;

/// Requests that are answered at the same time.
const THREADS: usize = 8;

/// A server that has its address.
pub struct Serving {
    server: Arc<Server>,
    folder: Arc<PathBuf>,
    address: SocketAddr,
}

impl std::fmt::Debug for Serving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Serving")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Serving {
    /// Binds `address` to serve `folder`; port 0 takes any free port.
    ///
    /// # Errors
    /// [`Failure`] when the folder is not there or the address is in use.
    pub fn bind(folder: &Path, address: SocketAddr) -> Result<Self, Failure> {
        if !folder.is_dir() {
            let error = io::Error::from(io::ErrorKind::NotFound);
            return Err(Failure::io("serve", folder)(error));
        }
        let server = Server::http(address).map_err(|error| Failure::Address {
            address,
            reason: error.to_string(),
        })?;
        let address = server.server_addr().to_ip().unwrap_or(address);
        Ok(Self {
            server: Arc::new(server),
            folder: Arc::new(folder.to_path_buf()),
            address,
        })
    }

    /// Where the folder is served.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests until the process ends.
    pub fn run(self) {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let (server, folder) = (self.server.clone(), self.folder.clone());
                std::thread::spawn(move || {
                    while let Ok(request) = server.recv() {
                        answer(request, &folder);
                    }
                })
            })
            .collect();
        for thread in threads {
            // A thread ends only with the server.
            let _ = thread.join();
        }
    }
}

fn answer(request: Request, folder: &Path) {
    // The client may have gone; there is nobody to tell.
    let _ = match respond(&request, folder) {
        Ok(Found {
            file,
            range,
            len,
            content_type,
            immutable,
        }) => {
            let partial = range.is_some();
            let (start, end) = range.unwrap_or((0, len));
            let mut headers = vec![
                header("content-type", content_type),
                header("accept-ranges", "bytes"),
                header("access-control-allow-origin", "*"),
                header("x-content-type-options", "nosniff"),
                header(
                    "cache-control",
                    if immutable {
                        "public, max-age=31536000, immutable"
                    } else {
                        "no-cache"
                    },
                ),
            ];
            if partial {
                headers.push(header(
                    "content-range",
                    &format!("bytes {start}-{}/{len}", end - 1),
                ));
            }
            let status = StatusCode(if partial { 206 } else { 200 });
            let body = file.take(end - start);
            let response = Response::new(status, headers, body, Some((end - start) as usize), None)
                .with_chunked_threshold(usize::MAX);
            request.respond(response)
        }
        Err(status) => {
            let text = match status {
                404 => "not found",
                405 => "method not allowed",
                416 => "range not satisfiable",
                _ => "error",
            };
            request.respond(Response::from_string(text).with_status_code(status))
        }
    };
}

struct Found {
    file: File,
    range: Option<(u64, u64)>,
    len: u64,
    content_type: &'static str,
    immutable: bool,
}

fn respond(request: &Request, folder: &Path) -> Result<Found, u16> {
    if !matches!(request.method(), Method::Get | Method::Head) {
        return Err(405);
    }
    let path = request.url().split(['?', '#']).next().unwrap_or_default();
    let path = percent_encoding::percent_decode_str(path)
        .decode_utf8()
        .map_err(|_| 404u16)?;
    let relative = Path::new(path.trim_start_matches('/'));
    if !relative
        .components()
        .all(|part| matches!(part, Component::Normal(_)))
    {
        return Err(404);
    }
    let mut path = folder.join(relative);
    if path.is_dir() {
        path.push("index.html");
    }
    let mut file = File::open(&path).map_err(|_| 404u16)?;
    let len = match file.metadata() {
        Ok(data) if data.is_file() => data.len(),
        _ => return Err(404),
    };
    let range = request
        .headers()
        .iter()
        .find(|header| header.field.equiv("range"));
    let range = match range {
        Some(header) => byte_range(header.value.as_str(), len)?,
        None => None,
    };
    if let Some((start, _)) = range {
        file.seek(SeekFrom::Start(start))
            .map_err(|_: io::Error| 500u16)?;
    }
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    Ok(Found {
        file,
        range,
        len,
        content_type: content_type(name),
        immutable: is_body_file(name),
    })
}

/// A single range as start and exclusive end (RFC 9110 §14.1.2); other forms ask for the whole file.
fn byte_range(value: &str, len: u64) -> Result<Option<(u64, u64)>, u16> {
    let Some((first, last)) = value
        .strip_prefix("bytes=")
        .and_then(|spec| spec.split_once('-'))
    else {
        return Ok(None);
    };
    let range = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => (first, last.saturating_add(1).min(len)),
        (Ok(first), Err(_)) if last.is_empty() => (first, len),
        (Err(_), Ok(last)) if first.is_empty() => (len.saturating_sub(last), len),
        _ => return Ok(None),
    };
    if range.0 >= range.1 {
        Err(416)
    } else {
        Ok(Some(range))
    }
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json; charset=utf-8",
        "md" | "txt" => "text/plain; charset=utf-8",
        "wasm" => "application/wasm",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

fn header(name: &str, value: &str) -> Header {
    // Names and values here are ASCII without line breaks.
    Header::from_bytes(name.as_bytes(), value.as_bytes())
        .unwrap_or_else(|()| unreachable!("{name}: {value} is a valid header"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn byte_ranges_are_those_of_the_rfc() {
        assert_eq!(byte_range("bytes=0-3", 10), Ok(Some((0, 4))));
        assert_eq!(byte_range("bytes=8-99", 10), Ok(Some((8, 10))));
        assert_eq!(byte_range("bytes=4-", 10), Ok(Some((4, 10))));
        assert_eq!(byte_range("bytes=-3", 10), Ok(Some((7, 10))));
        assert_eq!(byte_range("bytes=10-12", 10), Err(416));
        assert_eq!(byte_range("bytes=0-1,4-5", 10), Ok(None));
        assert_eq!(byte_range("items=0-1", 10), Ok(None));
    }

    #[test]
    fn only_hashed_names_are_immutable() {
        assert!(is_body_file("00112233aabbccdd.cora"));
        assert!(!is_body_file("root.cora") && !is_body_file("00112233aabbccdd.js"));
    }
}
