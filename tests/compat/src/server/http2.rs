//! The server over HTTP/2.

use super::answer::Fault;
use super::reply::Reply;
use super::state::{Request, State};
use bytes::Bytes;
use h2::server::{Connection, SendResponse};
use h2::{Reason, SendStream};
use std::error::Error;
use std::net::TcpListener;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Bytes that are sent at a time.
const PIECE_BYTES: usize = 16 << 10;

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// Serves in a thread of its own.
pub(super) fn listen(listener: TcpListener, state: Arc<State>, config: Arc<rustls::ServerConfig>) {
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let acceptor = TlsAcceptor::from(config);
            while let Ok((socket, _)) = listener.accept().await {
                state.count_connection();
                tokio::spawn(serve(socket, acceptor.clone(), Arc::clone(&state)));
            }
        });
    });
}

async fn serve(socket: TcpStream, acceptor: TlsAcceptor, state: Arc<State>) -> Outcome {
    let stream = acceptor.accept(socket).await?;
    let mut connection: Connection<TlsStream<TcpStream>, Bytes> =
        h2::server::handshake(stream).await?;
    let is_enough = Arc::new(Notify::new());
    loop {
        let accepted = tokio::select! {
            accepted = connection.accept() => accepted,
            () = is_enough.notified() => {
                connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                continue;
            }
        };
        let Some(accepted) = accepted else {
            return Ok(());
        };
        let (request, respond) = accepted?;
        let request = request_of(&request);
        let answer = state.ask(request.clone());
        let reply = Reply::to(&request, &answer);
        let (state, is_enough) = (Arc::clone(&state), Arc::clone(&is_enough));
        tokio::spawn(async move {
            // A client that goes away is what many tests are about.
            drop(send(&reply, respond, &request.path, &state, &is_enough).await);
        });
    }
}

fn request_of(request: &http::Request<h2::RecvStream>) -> Request {
    let headers = request.headers().iter();
    let headers = headers
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())));
    let path = request.uri().path_and_query();
    Request {
        method: request.method().to_string(),
        path: path.map_or_else(|| "/".into(), ToString::to_string),
        headers: headers.collect(),
    }
}

async fn send(
    reply: &Reply,
    mut respond: SendResponse<Bytes>,
    path: &str,
    state: &State,
    is_enough: &Notify,
) -> Outcome {
    if reply.fault == Fault::StallHead {
        std::future::poll_fn(|context| respond.poll_reset(context)).await?;
        return Ok(());
    }
    let mut head = http::Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        head = head.header(name, value);
    }
    let body = reply.body();
    let is_bare = reply.is_head || reply.status == 304;
    if !matches!(reply.fault, Fault::NoLength | Fault::Chunked) && reply.status != 304 {
        head = head.header("content-length", body.len());
    }
    let mut stream = respond.send_response(head.body(())?, is_bare)?;
    let count = |bytes| state.count(path, bytes);
    let first = |length: usize| &body[..length.min(body.len())];
    match reply.fault {
        _ if is_bare => {}
        Fault::CutAfter(length) | Fault::ResetAfter(length) => {
            write(&mut stream, first(length), &count).await?;
            stream.send_reset(Reason::INTERNAL_ERROR);
        }
        Fault::GoAwayAfter(length) => {
            write(&mut stream, first(length), &count).await?;
            is_enough.notify_one();
        }
        Fault::StallAfter(length) => {
            write(&mut stream, first(length), &count).await?;
            std::future::poll_fn(|context| stream.poll_reset(context)).await?;
        }
        _ => {
            write(&mut stream, body, &count).await?;
            stream.send_data(Bytes::new(), true)?;
        }
    }
    Ok(())
}

/// Sends bytes as fast as the client takes them.
async fn write(stream: &mut SendStream<Bytes>, bytes: &[u8], count: &impl Fn(usize)) -> Outcome {
    for piece in bytes.chunks(PIECE_BYTES) {
        let mut piece = Bytes::copy_from_slice(piece);
        while !piece.is_empty() {
            stream.reserve_capacity(piece.len());
            let capacity = std::future::poll_fn(|context| stream.poll_capacity(context)).await;
            let capacity = capacity.ok_or("the stream is closed")??;
            let part = piece.split_to(capacity.min(piece.len()));
            count(part.len());
            stream.send_data(part, false)?;
        }
    }
    Ok(())
}
