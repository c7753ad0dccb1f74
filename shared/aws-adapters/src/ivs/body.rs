//! Bodies that the SDK cannot write or read exactly: it signs and sends them all the same.

use std::sync::{Arc, OnceLock};

use aws_sdk_ivsrealtime::config::http::HttpRequest;
use aws_sdk_ivsrealtime::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_ivsrealtime::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_ivsrealtime::error::BoxError;

/// Has a request carry `body`, in the place of what the SDK made of its input.
pub(super) fn carrying(body: String) -> impl Fn(&mut HttpRequest) + Send + Sync + 'static {
    move |request| {
        request.headers_mut().insert("content-length", body.len().to_string());
        *request.body_mut() = body.clone().into();
    }
}

/// The body of an answer, kept beside what the SDK makes of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer(Arc<OnceLock<Vec<u8>>>);

impl Answer {
    pub(super) fn body(&self) -> &[u8] {
        self.0.get().map_or(&[], Vec::as_slice)
    }
}

impl Intercept for Answer {
    fn name(&self) -> &'static str {
        "Answer"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(body) = context.response().body().bytes() {
            // Set once: the SDK makes each call once.
            self.0.get_or_init(|| body.to_vec());
        }
        Ok(())
    }
}
