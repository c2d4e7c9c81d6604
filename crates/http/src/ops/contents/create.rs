//! `POST /contents`

use argosy_domain::model::{ContentFit, Rgb};
use argosy_engine::ContentRequest;

use crate::ops::prelude::*;
use crate::present_content::parse_colour;

/// Makes content of an uploaded file for the product's display, and registers it. The answer comes when it is made: a second or two
/// for a large picture. What is damaged, too large or for another display is refused with what is wrong.
#[utoipa::path(post, path = "/api/v1/contents", operation_id = "createContent", tag = "contents",
    params(IdempotencyKey), request_body = api::CreateContentRequest,
    responses((status = 201, description = "Made and registered", body = api::ContentView)))]
pub(crate) async fn handle(
    State(app): State<Arc<App>>,
    Caller(actor): Caller,
    Creation { value, ticket }: Creation<api::CreateContentRequest>,
) -> ApiResult<Response> {
    let (engine, by) = (Arc::clone(&app.engine), actor.clone());
    let work = async move {
        let background = match value.background.as_deref() {
            None => Rgb::default(),
            Some(text) => parse_colour(text).ok_or_else(|| {
                Problem::new(ProblemCode::Invalid, "background is a colour as #rrggbb").about("background")
            })?,
        };
        let mut read = engine.registry().read().await?;
        let product = resolve::product(&mut *read, &value.product, Place::Field("product")).await?.id;
        drop(read);
        let request = ContentRequest {
            upload: value.upload_id,
            product,
            title: value.title,
            description: value.description.unwrap_or_default(),
            fit: value.fit.map_or(ContentFit::Fit, present::domain_content_fit),
            background,
        };
        let content = engine.register_content(&by, request).await?;
        let mut read = engine.registry().read().await?;
        Ok(Names::default().content(&mut *read, content, None).await?)
    };
    ticket.create(&app, &actor, work).await
}
