//! Accepts connections: a limited number at once, none silent for long, and none closed while its
//! client is still sending.
//!
//! A connection to which nothing has been written for a while is closed, whatever comes in: a
//! client that sends its request one byte at a time cannot hold its place for ever.
//!
//! A client whose request is answered early may not read the response until it has sent the rest of
//! the request. If the socket were closed, the client's data would be met by a reset and the
//! response would be lost. So only the sending side is closed; incoming data is read and discarded
//! for a while (a lingering close).

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Sleep, sleep},
};

use super::{intake::Intake, unread};

/// How long a client may go on sending after its response.
const LINGER: Duration = Duration::from_secs(60);

/// How long a client may pause while sending after its response.
const LINGER_PAUSE: Duration = Duration::from_secs(5);

/// Accepts connections while there are free places.
pub struct Connections {
    listener: TcpListener,
    places: Arc<Semaphore>,
    silence: Duration,
}

impl Connections {
    /// Accepts at most `places` connections at once, each closed after `silence`.
    pub fn new(listener: TcpListener, places: usize, silence: Duration) -> Self {
        Connections {
            listener,
            places: Arc::new(Semaphore::new(places)),
            silence,
        }
    }
}

impl Listener for Connections {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let place = self.places.clone().acquire_owned().await;
        let (stream, address) = Listener::accept(&mut self.listener).await;
        // Responses are written whole, so delaying them to coalesce packets gains nothing.
        if let Err(error) = stream.set_nodelay(true) {
            log::debug!("{address}: TCP_NODELAY is not set: {error}");
        }
        let connection = Connection {
            stream,
            end: Box::pin(sleep(self.silence)),
            silence: self.silence,
            intake: Intake::of(address),
            whole: 0,
            linger_until: None,
            reason: None,
            // The semaphore is never closed.
            _place: place.ok(),
        };
        (connection, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connected<IncomingStream<'_, Connections>> for Intake {
    fn connect_info(stream: IncomingStream<'_, Connections>) -> Self {
        stream.io().intake.clone()
    }
}

/// A connection that ends when nothing has been written to it for a while.
pub struct Connection {
    stream: TcpStream,
    end: Pin<Box<Sleep>>,
    silence: Duration,
    intake: Intake,
    /// Number of complete requests at the last check.
    whole: u64,
    /// Set once the sending side is closed.
    linger_until: Option<Instant>,
    /// What remains to be written of a refusal that replaces hyper's bytes, and the number of those
    /// bytes.
    reason: Option<(Vec<u8>, usize)>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Connection {
    /// Returns pending, or an error if the connection has been silent for too long.
    fn pending<T>(&mut self, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        // Answering has its own limit, which begins at the end of the request.
        let whole = self.intake.whole();
        if std::mem::replace(&mut self.whole, whole) != whole {
            self.begin_again();
        }
        match self.end.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }

    fn begin_again(&mut self) {
        self.end.as_mut().reset(Instant::now() + self.silence);
    }

    fn written(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_pending() {
            return self.pending(context);
        }
        self.begin_again();
        written
    }

    /// Writes hyper's bytes, adding a reason if they are a refusal without one.
    fn write_reason(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Option<Poll<io::Result<usize>>> {
        if self.reason.is_none() {
            let reason = unread::with_reason(bytes)?;
            self.reason = Some((reason, bytes.len()));
        }
        let (left, length) = self.reason.as_mut()?;
        while !left.is_empty() {
            match Pin::new(&mut self.stream).poll_write(context, left) {
                Poll::Ready(Ok(0)) => return Some(Poll::Ready(Ok(0))),
                Poll::Ready(Ok(written)) => drop(left.drain(..written)),
                Poll::Ready(Err(error)) => return Some(Poll::Ready(Err(error))),
                Poll::Pending => return Some(Poll::Pending),
            }
        }
        let length = *length;
        self.reason = None;
        Some(Poll::Ready(Ok(length)))
    }

    /// Reads and discards incoming data until the client is done or its time is over.
    fn drain(&mut self, until: Instant, context: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [0; 16 << 10];
        loop {
            let mut buffer = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    let now = Instant::now();
                    if now >= until {
                        return Poll::Ready(());
                    }
                    self.end.as_mut().reset(until.min(now + LINGER_PAUSE));
                }
                // The client has closed its side or disconnected.
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.end.as_mut().poll(context),
            }
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_pending() {
            return self.pending(context);
        }
        // Only once per request, so that a client cannot extend it.
        if buffer.filled().len() > before && self.intake.receive() {
            self.begin_again();
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let reason = self.write_reason(context, bytes);
        let written = match reason {
            Some(written) => written,
            None => Pin::new(&mut self.stream).poll_write(context, bytes),
        };
        self.written(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut filled = parts.iter().filter(|part| !part.is_empty());
        let reason = match (filled.next(), filled.next()) {
            (Some(alone), None) => self.write_reason(context, alone),
            _ => None,
        };
        let written = match reason {
            Some(written) => written,
            None => Pin::new(&mut self.stream).poll_write_vectored(context, parts),
        };
        self.written(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let until = match self.linger_until {
            Some(until) => until,
            None => {
                ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
                let now = Instant::now();
                self.linger_until = Some(now + LINGER);
                self.end.as_mut().reset(now + LINGER_PAUSE);
                now + LINGER
            }
        };
        // An idle connection has no data in flight that a reset could meet.
        if self.intake.is_midway() {
            ready!(self.drain(until, context));
        }
        Poll::Ready(Ok(()))
    }
}
