//! Products, groups, regions.

use argosy_domain::model::{Group, NewProduct, Product, Region, checked_name};
use argosy_proto::{GroupId, ProductId, RegionId};
use serde_json::json;

use super::{Actor, audit};
use crate::Engine;
use crate::error::{EngineError, EngineResult};

/// The largest slot: `size` on the wire is 1…2^31-1.
const MAX_SLOT: i64 = i32::MAX as i64;

fn checked_product(mut new: NewProduct) -> EngineResult<NewProduct> {
    new.name = checked_name("name", &new.name)?;
    new.chip = checked_name("chip", &new.chip)?.to_ascii_lowercase().replace('-', "");
    if !(1..=MAX_SLOT).contains(&new.slot_size) {
        return Err(EngineError::invalid(
            "slot_size",
            format!("slot_size is the bytes of one firmware slot, 1 to {MAX_SLOT}"),
        ));
    }
    if let Some(display) = &new.display {
        if !(1..=2047).contains(&display.width) || !(1..=2047).contains(&display.height) {
            return Err(EngineError::invalid("display", "a display is 1 to 2047 pixels wide and high"));
        }
        if !matches!(display.color_depth, 1 | 8 | 16 | 24 | 32) {
            return Err(EngineError::invalid("display", "color_depth is 1, 8, 16, 24 or 32"));
        }
    }
    Ok(new)
}

fn checked_code(code: &str) -> EngineResult<String> {
    let good = (1..=32).contains(&code.len())
        && code.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if !good {
        return Err(EngineError::invalid("code", "a region code is 1 to 32 of A-Z a-z 0-9 - _"));
    }
    Ok(code.to_owned())
}

impl Engine {
    /// Makes a product.
    ///
    /// # Errors
    /// [`EngineError::Invalid`] names the field; `product_exists`.
    pub async fn create_product(&self, actor: &Actor, new: NewProduct) -> EngineResult<Product> {
        actor.may_change()?;
        let (spec, now) = (checked_product(new)?, self.now());
        let mut work = self.ports.registry.begin("catalog").await?;
        let id = work.insert_product(&spec, now).await?;
        audit(
            &mut *work,
            actor,
            "product.create",
            format!("product:{}", spec.name),
            json!({ "id": id }),
            now,
        )
        .await?;
        work.commit().await?;
        Ok(Product { id, spec, created_at: now })
    }

    /// Changes a product.
    ///
    /// # Errors
    /// As [`Engine::create_product`], and [`EngineError::NotFound`].
    pub async fn update_product(
        &self,
        actor: &Actor,
        id: ProductId,
        new: NewProduct,
    ) -> EngineResult<Product> {
        actor.may_change()?;
        let spec = checked_product(new)?;
        let mut work = self.ports.registry.begin("catalog").await?;
        let Some(old) = work.product(id).await? else { return Err(EngineError::not_found("product", id)) };
        work.update_product(id, &spec).await?;
        audit(
            &mut *work,
            actor,
            "product.update",
            format!("product:{}", spec.name),
            json!({ "id": id }),
            self.now(),
        )
        .await?;
        work.commit().await?;
        Ok(Product { id, spec, created_at: old.created_at })
    }

    /// Removes a product that nothing refers to.
    ///
    /// # Errors
    /// [`EngineError::NotFound`], `product_in_use`.
    pub async fn delete_product(&self, actor: &Actor, id: ProductId) -> EngineResult<()> {
        actor.may_change()?;
        let mut work = self.ports.registry.begin("catalog").await?;
        if !work.delete_product(id).await? {
            return Err(EngineError::not_found("product", id));
        }
        audit(&mut *work, actor, "product.delete", format!("product:id:{id}"), json!({}), self.now()).await?;
        Ok(work.commit().await?)
    }

    /// Makes a group.
    ///
    /// # Errors
    /// [`EngineError::Invalid`], `group_exists`.
    pub async fn create_group(&self, actor: &Actor, name: &str) -> EngineResult<Group> {
        actor.may_change()?;
        let (name, now) = (checked_name("name", name)?, self.now());
        let mut work = self.ports.registry.begin("catalog").await?;
        let id = work.insert_group(&name, now).await?;
        audit(&mut *work, actor, "group.create", format!("group:{name}"), json!({ "id": id }), now).await?;
        work.commit().await?;
        Ok(Group { id, name, created_at: now })
    }

    /// Renames a group.
    ///
    /// # Errors
    /// As [`Engine::create_group`], and [`EngineError::NotFound`].
    pub async fn update_group(&self, actor: &Actor, id: GroupId, name: &str) -> EngineResult<Group> {
        actor.may_change()?;
        let name = checked_name("name", name)?;
        let mut work = self.ports.registry.begin("catalog").await?;
        let Some(old) = work.group(id).await? else { return Err(EngineError::not_found("group", id)) };
        work.update_group(id, &name).await?;
        audit(
            &mut *work,
            actor,
            "group.update",
            format!("group:{name}"),
            json!({ "was": old.name }),
            self.now(),
        )
        .await?;
        work.commit().await?;
        Ok(Group { id, name, created_at: old.created_at })
    }

    /// Removes a group without devices.
    ///
    /// # Errors
    /// [`EngineError::NotFound`], `group_in_use`.
    pub async fn delete_group(&self, actor: &Actor, id: GroupId) -> EngineResult<()> {
        actor.may_change()?;
        let mut work = self.ports.registry.begin("catalog").await?;
        if !work.delete_group(id).await? {
            return Err(EngineError::not_found("group", id));
        }
        audit(&mut *work, actor, "group.delete", format!("group:id:{id}"), json!({}), self.now()).await?;
        Ok(work.commit().await?)
    }

    /// Makes a region.
    ///
    /// # Errors
    /// [`EngineError::Invalid`], `region_exists`.
    pub async fn create_region(&self, actor: &Actor, code: &str, name: &str) -> EngineResult<Region> {
        actor.may_change()?;
        let (code, name, now) = (checked_code(code)?, checked_name("name", name)?, self.now());
        let mut work = self.ports.registry.begin("catalog").await?;
        let id = work.insert_region(&code, &name, now).await?;
        audit(&mut *work, actor, "region.create", format!("region:{code}"), json!({ "id": id }), now).await?;
        work.commit().await?;
        Ok(Region { id, code, name, created_at: now })
    }

    /// Changes a region.
    ///
    /// # Errors
    /// As [`Engine::create_region`], and [`EngineError::NotFound`].
    pub async fn update_region(
        &self,
        actor: &Actor,
        id: RegionId,
        code: &str,
        name: &str,
    ) -> EngineResult<Region> {
        actor.may_change()?;
        let (code, name) = (checked_code(code)?, checked_name("name", name)?);
        let mut work = self.ports.registry.begin("catalog").await?;
        let Some(old) = work.region(id).await? else { return Err(EngineError::not_found("region", id)) };
        work.update_region(id, &code, &name).await?;
        audit(
            &mut *work,
            actor,
            "region.update",
            format!("region:{code}"),
            json!({ "was": old.code }),
            self.now(),
        )
        .await?;
        work.commit().await?;
        Ok(Region { id, code, name, created_at: old.created_at })
    }

    /// Removes a region without devices.
    ///
    /// # Errors
    /// [`EngineError::NotFound`], `region_in_use`.
    pub async fn delete_region(&self, actor: &Actor, id: RegionId) -> EngineResult<()> {
        actor.may_change()?;
        let mut work = self.ports.registry.begin("catalog").await?;
        if !work.delete_region(id).await? {
            return Err(EngineError::not_found("region", id));
        }
        audit(&mut *work, actor, "region.delete", format!("region:id:{id}"), json!({}), self.now()).await?;
        Ok(work.commit().await?)
    }
}
