/** Change name, group or region of one device, or group and region of many. */
import { Alert, Button, Group, Modal, Select, Stack, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { type Device, type DeviceChange, useDeviceActions } from '@/entities/device';
import { placeQueries } from '@/entities/place';
import { toast } from '@/shared/lib/toast';

const KEEP = '\u0000keep';
const NONE = '\u0000none';

export function ChangeDevices({ devices, opened, onClose }: { devices: Pick<Device, 'key' | 'name' | 'group' | 'region'>[]; opened: boolean; onClose: () => void }) {
  const { t } = useTranslation();
  const { change } = useDeviceActions();
  const groups = useQuery({ ...placeQueries.groups(), enabled: opened });
  const regions = useQuery({ ...placeQueries.regions(), enabled: opened });
  const one = devices.length === 1 ? devices[0] : undefined;
  const form = useForm({ initialValues: { name: one?.name ?? '', group: KEEP, region: KEEP } });
  const pick = (value: string) => (value === KEEP ? undefined : value === NONE ? null : value);
  const submit = form.onSubmit(async (values) => {
    const wanted: DeviceChange = {};
    const [group, region] = [pick(values.group), pick(values.region)];
    if (group !== undefined) wanted.group = group;
    if (region !== undefined) wanted.region = region;
    if (one && values.name.trim() && values.name !== one.name) wanted.name = values.name.trim();
    const { changed } = await change.mutateAsync({ keys: devices.map((d) => d.key), change: wanted });
    toast.done(t('device.changed', { count: changed }));
    onClose();
  });
  const special = [{ value: KEEP, label: t('form.keep') }, { value: NONE, label: t('form.none') }];
  return (
    <Modal opened={opened} onClose={onClose} title={one ? t('device.changeOne', { key: one.key }) : t('device.changeMany', { count: devices.length })} closeOnClickOutside={!form.isDirty()}>
      <form onSubmit={submit}>
        <Stack>
          {change.error && <Alert color="red" role="alert">{change.error.message}</Alert>}
          {one && <TextInput label={t('device.name')} maxLength={128} {...form.getInputProps('name')} />}
          <Select label={t('group.one')} searchable allowDeselect={false} data={[...special, ...(groups.data?.items.map((g) => g.name) ?? [])]} {...form.getInputProps('group')} />
          <Select label={t('region.one')} searchable allowDeselect={false} data={[...special, ...(regions.data?.items.map((r) => ({ value: r.code, label: `${r.name} (${r.code})` })) ?? [])]} {...form.getInputProps('region')} />
          {!one && <Text size="sm" c="dimmed">{t('device.changeManyHint', { count: devices.length })}</Text>}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>{t('action.back')}</Button>
            <Button type="submit" loading={change.isPending} disabled={!form.isDirty()}>{t('action.save')}</Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
