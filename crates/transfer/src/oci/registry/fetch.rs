//! Documents and blobs of an image, out of its registry.

use super::access::Access;
use super::credentials::Credentials;
use super::lanes::Lanes;
use super::place::{Endpoint, Place, Wanted};
use crate::context::Context;
use crate::error::{Doing, Error, Result};
use crate::oci::hash::digest_of;
use crate::oci::source::{Blob, Source, Top};
use crate::pull::partial::{Subject, Turn};
use crate::source::ask::Ask;
use crate::source::guard::{Guard, Other, Terms};
use crate::source::remote::{Fetcher, Remote};
use crate::stage::chunks::Reader;
use importd_api::failure::Kind;
use importd_api::url::Url;
use importd_formats::oci::{BlobDigest, DOCUMENT_MAX, Descriptor, MediaType};
use importd_host::partial::Store;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How often a document is begun anew because it became another one meanwhile.
const RESTARTS_MAX: u32 = 3;

/// An image in a registry.
#[derive(Debug)]
pub struct Registry<'a> {
    pub(super) place: Place,
    pub(super) fetcher: Fetcher,
    store: Option<&'a Store>,
    pub(super) context: Context,
    /// Lets requests into the registry itself; `None` for one in the file system.
    pub(super) guard: Option<Arc<dyn Guard>>,
    mirrors: Vec<(Endpoint, Option<Arc<dyn Guard>>)>,
    pub(super) lanes: Lanes,
    /// A mirror has sent something else than was asked for: none is asked any more.
    is_misled: AtomicBool,
}

/// Where something is to be had.
struct Way {
    url: Url,
    terms: Terms,
}

impl<'a> Registry<'a> {
    /// An image in its registry, of which nothing is asked yet. Unfinished blobs are kept in `store`.
    ///
    /// # Errors
    /// Never, at present.
    pub fn open(
        place: Place,
        credentials: &Credentials,
        fetcher: &Fetcher,
        store: Option<&'a Store>,
        context: &Context,
    ) -> Result<Self> {
        // What comes from mirrors, and what is put together of several tries, is compared with digests.
        let fetcher = fetcher.proven();
        let access = |endpoint: &Endpoint| {
            let network = fetcher.network()?;
            let credential = credentials.of(endpoint);
            Some(Access::new(endpoint, place.purpose(), credential, network))
        };
        let shared = |access| -> Arc<dyn Guard> { Arc::new(access) };
        let mirrors = place.mirrors().iter().map(|endpoint| {
            let access = access(endpoint).map(Access::of_mirror);
            (endpoint.clone(), access.map(shared))
        });
        Ok(Self {
            mirrors: mirrors.collect(),
            guard: access(place.registry()).map(shared),
            place,
            fetcher,
            store,
            context: context.clone(),
            lanes: Lanes::default(),
            is_misled: AtomicBool::new(false),
        })
    }

    /// Where something is that has a digest: at the mirrors, then at the registry.
    fn way(&self, address: impl Fn(&Endpoint) -> Result<Url>) -> Result<Way> {
        let mut ways = Vec::new();
        let trusts = !self.is_misled.load(Ordering::Relaxed);
        for (endpoint, guard) in self.mirrors.iter().filter(|_| trusts) {
            ways.push((address(endpoint)?, guard.clone()));
        }
        ways.push((address(self.place.registry())?, self.guard.clone()));
        let mut ways = ways.into_iter();
        let (url, guard) = ways.next().ok_or_else(|| {
            let text = "There is no registry to ask";
            Error::new(Kind::InvalidArgument, text)
        })?;
        let others = ways.map(|(url, guard)| Other { url, guard });
        Ok(Way {
            url,
            terms: Terms {
                guard,
                others: others.collect(),
                ..Terms::default()
            },
        })
    }

    /// A document, and what was said of it.
    fn fetch(&self, way: &Way, limit: u64) -> Result<(Vec<u8>, Remote)> {
        let mut restarts = 0;
        loop {
            let answer = self.fetcher.ask(Ask {
                terms: &way.terms,
                ..Ask::whole(&way.url)
            });
            let answer = answer.and_then(|answer| answer.body(&way.url));
            let read = answer.and_then(|remote| read(remote, &way.url, limit));
            match read {
                Err(error) if error.kind == Kind::Changed && restarts < RESTARTS_MAX => {
                    restarts += 1;
                }
                other => return other.map_err(|error| self.named(error)),
            }
        }
    }

    /// An absent document or blob has the image's name in its message.
    pub(super) fn named(&self, mut error: Error) -> Error {
        if error.kind == Kind::HttpNotFound {
            let reference = self.place.reference();
            error.doing = format!("There is no such image as '{reference}': {}", error.doing);
        }
        error
    }

    /// A document that has this digest.
    fn proven(
        &self,
        way: impl Fn() -> Result<Way>,
        limit: u64,
        expected: &BlobDigest,
    ) -> Result<(Vec<u8>, Remote)> {
        loop {
            let (bytes, remote) = self.fetch(&way()?, limit)?;
            match prove(&bytes, expected, &|| remote.origins.to_string()) {
                Ok(()) => return Ok((bytes, remote)),
                Err(error) if self.is_misled_by(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether something wrong may have come from a mirror; none is asked from then on, and another
    /// try may go better.
    fn is_misled_by(&self, error: &Error) -> bool {
        if !is_of_bytes(error.kind) || self.mirrors.is_empty() {
            return false;
        }
        let was_misled = self.is_misled.swap(true, Ordering::Relaxed);
        if !was_misled {
            let text = format!("{error}; mirrors are not asked any more.");
            self.context.report.warning(text);
        }
        !was_misled
    }
}

impl Source for Registry<'_> {
    fn label(&self) -> String {
        self.place.reference().to_string()
    }

    fn top(&self) -> Result<Top> {
        let (bytes, remote) = match self.place.wanted() {
            Wanted::Tag(tag) => {
                // Nothing proves what a tag means: that is the registry's own word.
                let way = Way {
                    url: self.place.registry().manifest(tag)?,
                    terms: Terms {
                        accept: Some(MediaType::ACCEPTED),
                        guard: self.guard.clone(),
                        ..Terms::default()
                    },
                };
                let (bytes, remote) = self.fetch(&way, DOCUMENT_MAX)?;
                // Broken on its way, or in the registry.
                let said = remote.content_digest.as_deref();
                if let Some(Ok(said)) = said.map(str::parse::<BlobDigest>) {
                    prove(&bytes, &said, &|| remote.origins.to_string())?;
                }
                (bytes, remote)
            }
            Wanted::Digest(digest) => {
                let way = || {
                    let mut way = self.way(|endpoint| endpoint.manifest(&digest.to_string()))?;
                    way.terms.accept = Some(MediaType::ACCEPTED);
                    Ok(way)
                };
                self.proven(way, DOCUMENT_MAX, digest)?
            }
        };
        Ok(Top {
            bytes,
            sent_as: remote.content_type,
        })
    }

    fn document(&self, descriptor: &Descriptor, limit: u64) -> Result<Vec<u8>> {
        let (digest, size) = (&descriptor.digest, descriptor.size);
        if size > limit {
            let what = &descriptor.media_type;
            let text = format!("{what} of {size} bytes is larger than the {limit} it may have");
            return Err(Error::new(Kind::TooLarge, text));
        }
        if let Some(data) = &descriptor.data {
            let whose = || format!("what '{}' says of itself", self.place.reference());
            prove(data, digest, &whose)?;
            return Ok(data.clone());
        }
        let is_manifest = matches!(
            descriptor.media_type,
            MediaType::Index | MediaType::Manifest | MediaType::Schema1
        );
        let way = || {
            let mut way = match is_manifest {
                true => self.way(|endpoint| endpoint.manifest(&digest.to_string()))?,
                false => self.way(|endpoint| endpoint.blob(digest))?,
            };
            way.terms.accept = is_manifest.then_some(MediaType::ACCEPTED);
            way.terms.length = Some(size);
            Ok(way)
        };
        let (bytes, _) = self.proven(way, size, digest)?;
        Ok(bytes)
    }

    fn blob(&self, descriptor: &Descriptor) -> Result<Blob<'_>> {
        let digest = &descriptor.digest;
        let lane = self.lanes.take();
        let mut way = self.way(|endpoint| endpoint.blob(digest))?;
        way.terms.length = Some(descriptor.size);
        way.terms.lane = lane.number();
        // Nothing is kept of what is in the file system.
        let store = self.store.filter(|_| self.guard.is_some());
        let turn = match store {
            Some(_) => Turn::take(store, Subject::of_digest(digest), || Ok(()), &self.context)?,
            None => Turn::none(Subject::of_digest(digest)),
        };
        let ask = Ask {
            terms: &way.terms,
            ..Ask::whole(&way.url)
        };
        let answer = turn.ask(&self.fetcher, ask, &self.context);
        let remote = answer.and_then(|answer| answer.body(&way.url));
        let remote = remote.map_err(|error| self.named(error))?;
        let on = (&way.url, &way.terms, Lanes::count());
        let remote = self.fetcher.spread_layer(on, remote);
        let opened = turn.join(remote, true, &self.context)?;
        let is_helped = opened.resumed > 0 || !way.terms.others.is_empty();
        Ok(Blob {
            body: opened.remote.body,
            resumed: opened.resumed,
            follower: opened.follower,
            end: Box::new(move |result| {
                drop(lane);
                let is_wrong = result
                    .as_ref()
                    .err()
                    .is_some_and(|error| is_of_bytes(error.kind));
                if let Err(error) = result {
                    self.is_misled_by(error);
                }
                turn.end(result, &self.context);
                is_wrong && is_helped
            }),
        })
    }
}

/// Whether it may be that other bytes would not have failed.
const fn is_of_bytes(kind: Kind) -> bool {
    matches!(kind, Kind::Corrupt | Kind::Archive)
}

/// All bytes of a document, and the rest of what is known of it.
fn read(remote: Remote, url: &Url, limit: u64) -> Result<(Vec<u8>, Remote)> {
    let too_large = || {
        let text = format!("{url} is larger than the {limit} bytes such a document may have");
        Error::new(Kind::TooLarge, text)
    };
    if remote.length.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    let Remote { body, .. } = remote;
    Reader::new(body)
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .doing(|| format!("Failed to retrieve {url}"))?;
    if bytes.len() as u64 > limit {
        return Err(too_large());
    }
    let body = Box::new(bytes::Bytes::new());
    Ok((bytes, Remote { body, ..remote }))
}

/// Refuses bytes that have another digest than was expected.
pub(super) fn prove(bytes: &[u8], expected: &BlobDigest, whose: &dyn Fn() -> String) -> Result<()> {
    let found = digest_of(bytes, expected.digest().algorithm());
    if found == *expected {
        return Ok(());
    }
    let whose = whose();
    let text = format!("{whose} has digest {found} instead of {expected}");
    Err(Error::new(Kind::Corrupt, text))
}
