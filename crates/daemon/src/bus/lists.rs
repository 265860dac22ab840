//! Lists of images for callers: made on another thread, few at a time.

use crate::bus::fault::Fault;
use crate::bus::manager::ListedImage;
use crate::bus::reply;
use crate::images::Places;
use crate::refusal::Refusal;
use importd_api::class::Class;
use std::sync::Arc;
use tokio::sync::Semaphore;
use zbus::{Connection, Message};

/// Most lists that are being made or wait for it. Everybody may ask for lists, and a long one holds
/// megabytes until the bus has taken it.
pub const LISTS_MAX: usize = 16;

/// The lists that are being made.
#[derive(Debug)]
pub struct Lists {
    places: Arc<Places>,
    free: Arc<Semaphore>,
}

impl Lists {
    /// None yet.
    #[must_use]
    pub fn new(places: Places) -> Self {
        Self {
            places: Arc::new(places),
            free: Arc::new(Semaphore::new(LISTS_MAX)),
        }
    }

    /// Whether no list is being made.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.free.available_permits() == LISTS_MAX
    }

    /// Makes the list that a call asks for, and answers the call with it later. Nothing is done for
    /// a caller who does not wait for the answer.
    ///
    /// # Errors
    /// [`Refusal::TooManyLists`].
    pub fn start(
        &self,
        connection: &Connection,
        call: &Message,
        class: Option<Class>,
    ) -> Result<(), Fault> {
        if !reply::is_wanted(call) {
            return Ok(());
        }
        let place = Arc::clone(&self.free).try_acquire_owned();
        let place = place.map_err(|_full| Refusal::TooManyLists)?;
        let call = reply::without_body(call)?;
        let (connection, places) = (connection.clone(), Arc::clone(&self.places));
        tokio::spawn(async move {
            list(&connection, &call, places, class).await;
            drop(place);
        });
        Ok(())
    }
}

async fn list(connection: &Connection, call: &Message, places: Arc<Places>, class: Option<Class>) {
    let images = tokio::task::spawn_blocking(move || places.list(class)).await;
    let header = call.header();
    let answer = match images {
        Ok(Ok(images)) => {
            let listed: Vec<ListedImage> = images.into_iter().map(ListedImage::from).collect();
            Message::method_return(&header).build(&listed)
        }
        Ok(Err(refusal)) => Fault::from(refusal).reply(&header),
        Err(error) => {
            tracing::error!("The list of images was not finished: {error}");
            return;
        }
    };
    reply::send(connection, call, answer).await;
}
