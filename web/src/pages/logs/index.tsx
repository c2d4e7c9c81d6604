import { Anchor, Code, Group, Select, Text, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { IconFileText, IconSearch } from '@tabler/icons-react';
import { Link, getRouteApi, useNavigate } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { placeQueries } from '@/entities/place';
import { seriesQueries } from '@/entities/series';
import { useDebounced } from '@/shared/lib/hooks';
import { usePages } from '@/shared/lib/paging';
import { DataTable, Empty, PageHeader, Panel, When } from '@/shared/ui';

const route = getRouteApi('/logs');

export function FleetLogs() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const { cursor, ...filter } = route.useSearch();
  const list = useQuery(seriesQueries.logs(undefined, filter, cursor));
  const groups = useQuery(placeQueries.groups());
  const regions = useQuery(placeQueries.regions());
  const [typed, setTyped] = useState(filter.search ?? '');
  const search = useDebounced(typed.trim());
  const set = (change: Partial<typeof filter>) => void navigate({ to: '/logs', search: { ...filter, ...change }, replace: true });
  useEffect(() => {
    if (search !== (filter.search ?? '')) set({ search: search || undefined });
  });
  const pages = usePages(cursor, (next) => void navigate({ to: '/logs', search: { ...filter, cursor: next } }));
  return (
    <>
      <PageHeader title={t('nav.logs')} description={t('log.lead')} />
      <Panel
        pad={false}
        tools={
          <Group gap="xs">
            <TextInput size="sm" value={typed} onChange={(e) => setTyped(e.currentTarget.value)} leftSection={<IconSearch size={16} />} placeholder={t('log.search')} aria-label={t('log.search')} w={280} />
            <Select size="sm" searchable clearable placeholder={t('region.one')} aria-label={t('region.one')} data={regions.data?.items.map((r) => ({ value: r.code, label: r.name })) ?? []} value={filter.region ?? null} onChange={(region) => set({ region: region ?? undefined })} w={160} />
            <Select size="sm" searchable clearable placeholder={t('group.one')} aria-label={t('group.one')} data={groups.data?.items.map((g) => g.name) ?? []} value={filter.group ?? null} onChange={(group) => set({ group: group ?? undefined })} w={160} />
          </Group>
        }
      >
        <DataTable
          caption={t('nav.logs')}
          rows={list.data?.items}
          error={list.error}
          onRetry={() => void list.refetch()}
          fetching={list.isPlaceholderData}
          rowKey={(x) => String(x.id)}
          paging={pages(list.data?.next)}
          empty={<Empty icon={IconFileText} title={filter.search || filter.group || filter.region ? t('table.nothing') : t('log.none')} />}
          columns={[
            { id: 'at', label: t('form.at'), width: 150, cell: (x) => <When at={x.at} /> },
            { id: 'device', label: t('device.one'), cell: (x) => <Anchor component={Link} to={`/device/${encodeURIComponent(x.device)}?tab=logs`}>{x.device}</Anchor> },
            { id: 'tag', label: t('log.tag'), cell: (x) => <Code>{x.tag}</Code> },
            { id: 'text', label: t('log.text'), cell: (x) => <Text size="sm" ff="monospace" lineClamp={4} style={{ overflowWrap: 'anywhere' }}>{x.text}</Text> },
          ]}
        />
      </Panel>
    </>
  );
}
