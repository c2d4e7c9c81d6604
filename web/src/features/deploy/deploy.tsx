/** Deploy: to whom, how fast, until when; then a summary of what will happen, and only then the button. */
import { Alert, Button, Collapse, Group, Modal, MultiSelect, NumberInput, SegmentedControl, Select, Stack, TagsInput, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import { IconAlertTriangle, IconChevronDown, IconRocket } from '@tabler/icons-react';
import { type ReactNode, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { type Deployment, deploymentQueries, useDeploymentActions } from '@/entities/deployment';
import { placeQueries } from '@/entities/place';
import type { Schemas } from '@/shared/api';
import { useDebounced, useFormat } from '@/shared/lib/hooks';
import { toast } from '@/shared/lib/toast';
import { TYPED_FROM } from '@/shared/ui';

type To = 'all' | 'groups' | 'regions' | 'devices';
type Payload = Pick<Schemas['CreateDeploymentRequest'], 'firmware' | 'contents'>;

interface Props {
  opened: boolean;
  onClose: () => void;
  onDone: (deployment: Deployment) => void;
  payload: Payload;
  /** What is deployed, in words. */
  what: string;
  product: string;
  size: number;
  above?: ReactNode;
  /** Devices to begin with (a new deployment to those that failed). */
  devices?: string[];
}

const EXPIRY_HOURS = [1, 6, 24, 72, 168, 720];

export function Deploy({ opened, onClose, onDone, payload, what, product, size, above, devices = [] }: Props) {
  const { t } = useTranslation();
  const f = useFormat();
  const { create } = useDeploymentActions();
  const [pace, setPace] = useState(false);
  // The same key for every try of this form: a lost answer never makes a second deployment.
  const [once, setOnce] = useState(() => crypto.randomUUID());
  const form = useForm({
    initialValues: {
      to: (devices.length > 0 ? 'devices' : 'all') as To,
      groups: [] as string[],
      regions: [] as string[],
      devices,
      name: '',
      expiry: '168',
      inFlight: '' as number | '',
      rate: '' as number | '',
      typed: '',
    },
  });
  const v = form.values;
  const groups = useQuery({ ...placeQueries.groups(), enabled: opened });
  const regions = useQuery({ ...placeQueries.regions(), enabled: opened });
  const target: Schemas['DeploymentTarget'] =
    v.to === 'all' ? { all: true } : { all: false, [v.to]: v[v.to] };
  const chosen = v.to === 'all' || v[v.to].length > 0;
  const asked = useDebounced(target, 200);
  const preview = useQuery({ ...deploymentQueries.preview({ ...payload, target: asked }), enabled: opened && chosen, retry: false });
  const count = chosen ? preview.data?.devices : 0;
  const typed = count === undefined || count < TYPED_FROM || v.typed.replace(/[\s,.]/g, '') === String(count);

  const submit = form.onSubmit(async () => {
    const hours = Number(v.expiry);
    const request: Schemas['CreateDeploymentRequest'] = {
      ...payload,
      target,
      name: v.name.trim() || undefined,
      policy: {
        max_in_flight: v.inFlight === '' ? undefined : v.inFlight,
        rate_per_s: v.rate === '' ? undefined : v.rate,
        expires_at: hours > 0 ? new Date(Date.now() + hours * 3_600_000).toISOString() : undefined,
      },
    };
    const made = await create.mutateAsync({ request, once });
    setOnce(crypto.randomUUID());
    toast.done(t('deploy.started', { name: made.name }));
    form.reset();
    onDone(made);
  });

  return (
    <Modal opened={opened} onClose={onClose} title={t('deploy.title', { what })} size="lg" closeOnClickOutside={!form.isDirty()}>
      <form onSubmit={submit}>
        <Stack>
          {above}
          {create.error && <Alert color="red" icon={<IconAlertTriangle size={18} />} title={t('deploy.notStarted')} role="alert">{create.error.message}</Alert>}
          <Stack gap={6}>
            <Text size="sm" fw={500} id="deploy-to">{t('deploy.to')}</Text>
            <SegmentedControl aria-labelledby="deploy-to" data={(['all', 'regions', 'groups', 'devices'] as const).map((value) => ({ value, label: t(`deploy.to_${value}`) }))} {...form.getInputProps('to')} />
            {v.to === 'groups' && <MultiSelect aria-label={t('group.many')} placeholder={t('group.many')} searchable data={groups.data?.items.map((g) => g.name) ?? []} {...form.getInputProps('groups')} />}
            {v.to === 'regions' && <MultiSelect aria-label={t('region.many')} placeholder={t('region.many')} searchable data={regions.data?.items.map((r) => ({ value: r.code, label: `${r.name} (${r.code})` })) ?? []} {...form.getInputProps('regions')} />}
            {v.to === 'devices' && <TagsInput aria-label={t('device.keys')} placeholder={t('deploy.keysHint')} splitChars={[',', ' ', '\n']} clearable {...form.getInputProps('devices')} />}
          </Stack>
          <Group grow align="flex-start">
            <Select label={t('deploy.expiry')} allowDeselect={false} data={[...EXPIRY_HOURS.map((h) => ({ value: String(h), label: f.duration(h * 3600) })), { value: '0', label: t('deploy.never') }]} {...form.getInputProps('expiry')} />
            <TextInput label={t('deploy.name')} placeholder={what} maxLength={128} {...form.getInputProps('name')} />
          </Group>
          <div>
            <Button variant="subtle" size="compact-sm" px={0} rightSection={<IconChevronDown size={14} />} onClick={() => setPace(!pace)} aria-expanded={pace}>{t('deploy.pace')}</Button>
            <Collapse expanded={pace}>
              <Group grow align="flex-start" mt="xs">
                <NumberInput label={t('deploy.inFlight')} description={t('deploy.inFlightHint')} placeholder={t('deploy.default')} min={1} max={100_000} allowDecimal={false} {...form.getInputProps('inFlight')} />
                <NumberInput label={t('deploy.rate')} description={t('deploy.rateHint')} placeholder={t('deploy.default')} min={1} max={100_000} allowDecimal={false} {...form.getInputProps('rate')} />
              </Group>
            </Collapse>
          </div>
          <Alert color={preview.error ? 'red' : 'sea'} icon={<IconRocket size={18} />} title={t('deploy.summary')} aria-live="polite">
            {preview.error ? (
              <Text size="sm">{preview.error.message}</Text>
            ) : (
              <Stack gap={2}>
                <Text size="sm">
                  {!chosen ? t('deploy.choose') : count === undefined ? t('state.loading') : t('deploy.will', { count, product, what, shown: f.number(count) })}
                </Text>
                {preview.data && chosen && (
                  <>
                    <Text size="sm">{t('deploy.online', { online: f.number(preview.data.online), offline: f.number(Math.max(0, preview.data.devices - preview.data.online)) })}</Text>
                    <Text size="sm">{t('deploy.bytes', { size: f.bytes(size), total: f.bytes(size * preview.data.devices) })}</Text>
                  </>
                )}
                <Text size="sm">{Number(v.expiry) > 0 ? t('deploy.ends', { duration: f.duration(Number(v.expiry) * 3600) }) : t('deploy.endsNever')}</Text>
              </Stack>
            )}
          </Alert>
          {count !== undefined && count >= TYPED_FROM && (
            <TextInput label={t('confirm.type', { count })} inputMode="numeric" autoComplete="off" {...form.getInputProps('typed')} />
          )}
          <Group justify="flex-end">
            <Button variant="default" onClick={onClose}>{t('action.back')}</Button>
            <Button type="submit" loading={create.isPending} disabled={!chosen || !count || !typed} leftSection={<IconRocket size={16} />}>
              {count ? t('deploy.go', { count, shown: f.number(count) }) : t('deploy.goEmpty')}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
