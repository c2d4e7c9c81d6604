import { Anchor, Box, Button, Group, Select, Text, TextInput } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { IconCpu, IconEdit, IconPlus, IconSearch } from '@tabler/icons-react';
import { Link, getRouteApi, useNavigate } from '@tanstack/react-router';
import { useCallback, useEffect, useMemo, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { accountQueries, mayChange } from '@/entities/account';
import { type Device, DeviceStateBadge, Online, deviceQueries } from '@/entities/device';
import { placeQueries } from '@/entities/place';
import { RegisterDevice } from '@/features/code';
import { ChangeDevices } from '@/features/devices';
import { type Schemas, useEventStream } from '@/shared/api';
import { useDebounced, useFormat } from '@/shared/lib/hooks';
import { PAGE, usePages } from '@/shared/lib/paging';
import { DataTable, Empty, LiveMark, PageHeader, Panel, When } from '@/shared/ui';

const route = getRouteApi('/device');
const STATES = ['active', 'unregistered', 'suspended'] as const;

export function DeviceList() {
  const { t } = useTranslation();
  const f = useFormat();
  const navigate = useNavigate();
  const client = useQueryClient();
  const { cursor, ...filter } = route.useSearch();
  const me = useQuery(accountQueries.me());
  const options = deviceQueries.list(filter, cursor, PAGE);
  const list = useQuery(options);
  const counts = useQuery(deviceQueries.counts());
  const products = useQuery(placeQueries.products());
  const groups = useQuery(placeQueries.groups());
  const regions = useQuery(placeQueries.regions());
  const [selected, setSelected] = useState<Set<string>>(new Set());
  const [changing, setChanging] = useState(false);
  const [registering, setRegistering] = useState(false);
  const [typed, setTyped] = useState(filter.search ?? '');
  const search = useDebounced(typed.trim());
  const set = (change: Partial<typeof filter>) => void navigate({ to: '/device', search: { ...filter, ...change }, replace: true });
  useEffect(() => {
    if (search !== (filter.search ?? '')) set({ search: search || undefined });
  });
  const pages = usePages(cursor, (next) => void navigate({ to: '/device', search: { ...filter, cursor: next } }));

  // What changes on the devices of this page is laid over it; who comes or goes by a filter is seen at the next reading.
  const { queryKey } = options;
  const onEvent = useCallback(
    (event: Schemas['DevicesEvent']) => {
      const changed = new Map(event.devices.map((d) => [d.key, d]));
      client.setQueryData(queryKey, (page) => page && { ...page, items: page.items.map((d) => (changed.has(d.key) ? { ...d, ...changed.get(d.key) } : d)) });
    },
    [client, queryKey],
  );
  const stream = useEventStream<Schemas['DevicesEvent']>({ path: '/api/v1/devices/events', event: 'devices', onEvent, onCatchUp: () => void client.invalidateQueries({ queryKey: deviceQueries.keys.all }) });

  const rows = list.data?.items;
  const chosen = useMemo(() => (rows ?? []).filter((d) => selected.has(d.key)), [rows, selected]);
  const filtered = Object.values(filter).some((v) => v !== undefined);
  const pick = (label: string, value: string | undefined, data: { value: string; label: string }[], onChange: (v: string | undefined) => void, w = 150) => (
    <Select size="sm" searchable clearable placeholder={label} aria-label={label} data={data} value={value ?? null} onChange={(v) => onChange(v ?? undefined)} w={w} />
  );
  return (
    <>
      <PageHeader
        title={<Group gap="sm">{t('nav.devices')}<LiveMark state={stream} /></Group>}
        description={counts.data && t('device.summary', { total: f.number(counts.data.total), online: f.number(counts.data.online) })}
        actions={
          mayChange(me.data) && (
            <>
              {selected.size > 0 && <Button variant="default" leftSection={<IconEdit size={16} />} onClick={() => setChanging(true)}>{t('device.changeMany', { count: selected.size })}</Button>}
              <Button leftSection={<IconPlus size={16} />} onClick={() => setRegistering(true)}>{t('code.register')}</Button>
            </>
          )
        }
      />
      <Panel
        pad={false}
        tools={
          <Group gap="xs">
            <TextInput size="sm" value={typed} onChange={(e) => setTyped(e.currentTarget.value)} leftSection={<IconSearch size={16} />} placeholder={t('device.search')} aria-label={t('device.search')} w={220} />
            {pick(t('region.one'), filter.region, regions.data?.items.map((r) => ({ value: r.code, label: r.name })) ?? [], (region) => set({ region }))}
            {pick(t('group.one'), filter.group, groups.data?.items.map((g) => ({ value: g.name, label: g.name })) ?? [], (group) => set({ group }))}
            {pick(t('product.one'), filter.product, products.data?.items.map((p) => ({ value: p.name, label: p.name })) ?? [], (product) => set({ product }))}
            {pick(t('firmware.version'), filter.version, counts.data?.by_version.flatMap((v) => (v.version ? [{ value: v.version, label: v.version }] : [])) ?? [], (version) => set({ version }), 120)}
            {pick(t('form.state'), filter.state, STATES.map((s) => ({ value: s, label: t(`deviceState.${s}`) })), (state) => set({ state: state as typeof filter.state }), 130)}
            {pick(t('device.connection'), filter.online === undefined ? undefined : String(filter.online), [{ value: 'true', label: t('device.online') }, { value: 'false', label: t('device.offline') }], (v) => set({ online: v === undefined ? undefined : v === 'true' }), 130)}
          </Group>
        }
      >
        <DataTable<Device>
          caption={t('nav.devices')}
          rows={rows}
          error={list.error}
          onRetry={() => void list.refetch()}
          fetching={list.isPlaceholderData}
          rowKey={(d) => d.key}
          selected={selected}
          onSelect={mayChange(me.data) ? setSelected : undefined}
          paging={pages(list.data?.next)}
          empty={filtered ? <Empty icon={IconSearch} title={t('table.nothing')} hint={t('table.nothingHint')} /> : <Empty icon={IconCpu} title={t('device.none')} hint={t('device.noneHint')} />}
          columns={[
            {
              id: 'key',
              label: t('device.key'),
              cell: (d) => (
                <Box miw={0}>
                  <Anchor component={Link} to={`/device/${encodeURIComponent(d.key)}`} fw={600}>{d.key}</Anchor>
                  {d.name !== d.key && <Text size="xs" c="dimmed" truncate maw={260}>{d.name}</Text>}
                </Box>
              ),
            },
            { id: 'online', label: t('device.connection'), cell: (d) => <Online online={d.online} since={d.online_changed_at} /> },
            { id: 'state', label: t('form.state'), cell: (d) => <DeviceStateBadge state={d.state} /> },
            { id: 'version', label: t('firmware.version'), cell: (d) => d.firmware_version ?? '–' },
            { id: 'region', label: t('region.one'), cell: (d) => d.region?.name ?? '–' },
            { id: 'group', label: t('group.one'), cell: (d) => d.group?.name ?? '–' },
            { id: 'product', label: t('product.one'), cell: (d) => d.product.name, wideOnly: true },
            { id: 'seen', label: t('device.lastSeen'), cell: (d) => <When at={d.last_seen_at} /> },
          ]}
        />
      </Panel>
      <RegisterDevice opened={registering} onClose={() => setRegistering(false)} onDone={(key) => { setRegistering(false); void navigate({ to: '/device/$key', params: { key } }); }} />
      {changing && chosen.length > 0 && <ChangeDevices devices={chosen} opened onClose={() => { setChanging(false); setSelected(new Set()); }} />}
    </>
  );
}
