import { Anchor, Button, Group, Select, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { IconFileCode, IconPlus, IconSearch } from '@tabler/icons-react';
import { Link, getRouteApi, useNavigate } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { accountQueries, mayChange } from '@/entities/account';
import { FirmwareStateBadge, firmwareQueries } from '@/entities/firmware';
import { placeQueries } from '@/entities/place';
import { RegisterFirmware } from '@/features/firmware';
import { useDebounced, useFormat } from '@/shared/lib/hooks';
import { usePages } from '@/shared/lib/paging';
import { DataTable, Empty, Hash, PageHeader, Panel, When } from '@/shared/ui';

const route = getRouteApi('/firmware/list');

export function FirmwareList() {
  const { t } = useTranslation();
  const f = useFormat();
  const navigate = useNavigate();
  const { cursor, ...filter } = route.useSearch();
  const me = useQuery(accountQueries.me());
  const products = useQuery(placeQueries.products());
  const list = useQuery(firmwareQueries.list(filter, cursor));
  const [registering, setRegistering] = useState(false);
  const [typed, setTyped] = useState(filter.search ?? '');
  const search = useDebounced(typed.trim());
  const set = (change: Partial<typeof filter>) => void navigate({ to: '/firmware/list', search: { ...filter, ...change }, replace: true });
  useEffect(() => {
    if (search !== (filter.search ?? '')) set({ search: search || undefined });
  });
  const pages = usePages(cursor, (next) => void navigate({ to: '/firmware/list', search: { ...filter, cursor: next } }));
  const filtered = Boolean(filter.search || filter.product || filter.state);
  const register = mayChange(me.data) && <Button leftSection={<IconPlus size={16} />} onClick={() => setRegistering(true)}>{t('firmware.register')}</Button>;
  return (
    <>
      <PageHeader title={t('nav.firmware')} description={t('firmware.lead')} actions={register} />
      <Panel
        pad={false}
        tools={
          <Group gap="xs">
            <TextInput size="sm" value={typed} onChange={(e) => setTyped(e.currentTarget.value)} leftSection={<IconSearch size={16} />} placeholder={t('firmware.search')} aria-label={t('firmware.search')} w={260} />
            <Select size="sm" clearable placeholder={t('product.one')} aria-label={t('product.one')} data={products.data?.items.map((p) => p.name) ?? []} value={filter.product ?? null} onChange={(product) => set({ product: product ?? undefined })} w={180} />
            <Select size="sm" clearable placeholder={t('form.state')} aria-label={t('form.state')} data={(['draft', 'released', 'withdrawn'] as const).map((s) => ({ value: s, label: t(`firmwareState.${s}`) }))} value={filter.state ?? null} onChange={(state) => set({ state: (state as typeof filter.state) ?? undefined })} w={140} />
          </Group>
        }
      >
        <DataTable
          caption={t('nav.firmware')}
          rows={list.data?.items}
          error={list.error}
          onRetry={() => void list.refetch()}
          fetching={list.isPlaceholderData}
          rowKey={(x) => String(x.id)}
          paging={pages(list.data?.next)}
          empty={filtered ? <Empty icon={IconSearch} title={t('table.nothing')} hint={t('table.nothingHint')} /> : <Empty icon={IconFileCode} title={t('firmware.none')} hint={t('firmware.noneHint')} action={register} />}
          columns={[
            { id: 'version', label: t('firmware.version'), cell: (x) => <Anchor component={Link} to={`/firmware/${x.id}`} fw={600}>{x.version}</Anchor> },
            { id: 'product', label: t('product.one'), cell: (x) => x.product.name },
            { id: 'state', label: t('form.state'), cell: (x) => <FirmwareStateBadge state={x.state} /> },
            { id: 'file', label: t('firmware.file'), cell: (x) => x.file_name },
            { id: 'size', label: t('firmware.size'), right: true, cell: (x) => f.bytes(x.size) },
            { id: 'sha', label: 'SHA-256', wideOnly: true, cell: (x) => <Hash value={x.sha256} /> },
            { id: 'at', label: t('form.created'), cell: (x) => <When at={x.created_at} /> },
          ]}
        />
      </Panel>
      <RegisterFirmware opened={registering} onClose={() => setRegistering(false)} onDone={(made) => void navigate({ to: '/firmware/$id', params: { id: String(made.id) } })} />
    </>
  );
}
