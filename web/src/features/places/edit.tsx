/** Forms for groups, regions and products. */
import { Alert, Button, Group, Modal, NumberInput, Select, Stack, Switch, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useTranslation } from 'react-i18next';
import { type Group as DeviceGroup, type Product, type Region, usePlaceActions } from '@/entities/place';
import { toast } from '@/shared/lib/toast';

interface Props<T> {
  /** What is edited; `null`: a new one. */
  value: T | null;
  onClose: () => void;
}

function Sheet({ title, error, busy, dirty, onClose, onSubmit, children }: { title: string; error: Error | null; busy: boolean; dirty: boolean; onClose: () => void; onSubmit: (e?: React.FormEvent<HTMLFormElement>) => void; children: React.ReactNode }) {
  const { t } = useTranslation();
  return (
    <Modal opened onClose={onClose} title={title} closeOnClickOutside={!dirty}>
      <form onSubmit={onSubmit}>
        <Stack>
          {error && <Alert color="red" role="alert">{error.message}</Alert>}
          {children}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>{t('action.back')}</Button>
            <Button type="submit" loading={busy} disabled={!dirty}>{t('action.save')}</Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}

export function EditGroup({ value, onClose }: Props<DeviceGroup>) {
  const { t } = useTranslation();
  const { saveGroup } = usePlaceActions();
  const form = useForm({ initialValues: { name: value?.name ?? '' } });
  const submit = form.onSubmit(async (spec) => {
    await saveGroup.mutateAsync({ name: value?.name, spec });
    toast.done(t('form.saved', { name: spec.name }));
    onClose();
  });
  return (
    <Sheet title={value ? t('group.edit') : t('group.create')} error={saveGroup.error} busy={saveGroup.isPending} dirty={form.isDirty()} onClose={onClose} onSubmit={submit}>
      <TextInput label={t('group.name')} required maxLength={128} data-autofocus {...form.getInputProps('name')} />
    </Sheet>
  );
}

export function EditRegion({ value, onClose }: Props<Region>) {
  const { t } = useTranslation();
  const { saveRegion } = usePlaceActions();
  const form = useForm({ initialValues: { code: value?.code ?? '', name: value?.name ?? '' } });
  const submit = form.onSubmit(async (spec) => {
    await saveRegion.mutateAsync({ code: value?.code, spec });
    toast.done(t('form.saved', { name: spec.name }));
    onClose();
  });
  return (
    <Sheet title={value ? t('region.edit') : t('region.create')} error={saveRegion.error} busy={saveRegion.isPending} dirty={form.isDirty()} onClose={onClose} onSubmit={submit}>
      <TextInput label={t('region.code')} required maxLength={64} data-autofocus {...form.getInputProps('code')} />
      <TextInput label={t('region.name')} required maxLength={128} {...form.getInputProps('name')} />
    </Sheet>
  );
}

const CHIPS = ['esp32', 'esp32s2', 'esp32s3', 'esp32c2', 'esp32c3', 'esp32c6', 'esp32h2', 'esp32p4'];

export function EditProduct({ value, onClose }: Props<Product>) {
  const { t } = useTranslation();
  const { saveProduct } = usePlaceActions();
  const display = value?.display;
  const form = useForm({
    initialValues: {
      name: value?.name ?? '',
      chip: value?.chip ?? 'esp32s3',
      format: value?.image_format ?? ('esp-idf' as Product['image_format']),
      slot: value?.slot_size ?? 4_194_304,
      screen: Boolean(display),
      width: display?.width ?? 800,
      height: display?.height ?? 480,
      depth: String(display?.color_depth ?? 16),
      swap: display?.swap_bytes ?? false,
    },
  });
  const v = form.values;
  const submit = form.onSubmit(async () => {
    const spec = {
      name: v.name.trim(),
      chip: v.chip,
      image_format: v.format,
      slot_size: v.slot,
      display: v.screen ? { ...display, width: v.width, height: v.height, color_depth: Number(v.depth), swap_bytes: v.swap } : undefined,
    } as Parameters<typeof saveProduct.mutateAsync>[0]['spec'];
    await saveProduct.mutateAsync({ name: value?.name, spec });
    toast.done(t('form.saved', { name: spec.name }));
    onClose();
  });
  return (
    <Sheet title={value ? t('product.edit') : t('product.create')} error={saveProduct.error} busy={saveProduct.isPending} dirty={form.isDirty()} onClose={onClose} onSubmit={submit}>
      <TextInput label={t('product.name')} required maxLength={128} data-autofocus {...form.getInputProps('name')} />
      <Group grow align="flex-start">
        <Select label={t('product.format')} allowDeselect={false} data={(['esp-idf', 'raw'] as const).map((x) => ({ value: x, label: t(`product.format_${x}`) }))} {...form.getInputProps('format')} />
        {v.format === 'esp-idf' ? (
          <Select label={t('product.chip')} allowDeselect={false} data={CHIPS} {...form.getInputProps('chip')} />
        ) : (
          <TextInput label={t('product.chip')} required {...form.getInputProps('chip')} />
        )}
      </Group>
      <NumberInput label={t('product.slot')} description={t('product.slotHint')} min={1} max={2_147_483_647} thousandSeparator required {...form.getInputProps('slot')} />
      <Switch label={t('product.screen')} {...form.getInputProps('screen', { type: 'checkbox' })} />
      {v.screen && (
        <>
          <Group grow>
            <NumberInput label={t('product.width')} min={1} max={2047} required {...form.getInputProps('width')} />
            <NumberInput label={t('product.height')} min={1} max={2047} required {...form.getInputProps('height')} />
            <Select label={t('product.depth')} allowDeselect={false} data={['8', '16', '32']} {...form.getInputProps('depth')} />
          </Group>
          <Switch label={t('product.swap')} {...form.getInputProps('swap', { type: 'checkbox' })} />
        </>
      )}
    </Sheet>
  );
}
