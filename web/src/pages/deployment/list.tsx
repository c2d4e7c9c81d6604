import { Anchor, Box, Group, Select, Stack, Text, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { IconRocket, IconSearch } from '@tabler/icons-react';
import { Link, getRouteApi, useNavigate } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { DeploymentStateBadge, OutcomeBar, deploymentQueries } from '@/entities/deployment';
import { useDebounced, useFormat } from '@/shared/lib/hooks';
import { usePages } from '@/shared/lib/paging';
import { DataTable, Empty, PageHeader, Panel, When } from '@/shared/ui';

const route = getRouteApi('/firmware/deployment');
const STATES = ['planning', 'running', 'paused', 'finished', 'canceled'] as const;

export function DeploymentList() {
  const { t } = useTranslation();
  const f = useFormat();
  const navigate = useNavigate();
  const { cursor, ...filter } = route.useSearch();
  const list = useQuery(deploymentQueries.list(filter, cursor));
  const [typed, setTyped] = useState(filter.search ?? '');
  const search = useDebounced(typed.trim());
  const set = (change: Partial<typeof filter>) => void navigate({ to: '/firmware/deployment', search: { ...filter, ...change }, replace: true });
  useEffect(() => {
    if (search !== (filter.search ?? '')) set({ search: search || undefined });
  });
  const pages = usePages(cursor, (next) => void navigate({ to: '/firmware/deployment', search: { ...filter, cursor: next } }));
  const filtered = Boolean(filter.search || filter.state);
  return (
    <>
      <PageHeader title={t('nav.deployments')} description={t('deployment.lead')} />
      <Panel
        pad={false}
        tools={
          <Group gap="xs">
            <TextInput size="sm" value={typed} onChange={(e) => setTyped(e.currentTarget.value)} leftSection={<IconSearch size={16} />} placeholder={t('deployment.search')} aria-label={t('deployment.search')} w={240} />
            <Select size="sm" clearable placeholder={t('form.state')} aria-label={t('form.state')} data={STATES.map((s) => ({ value: s, label: t(`deploymentState.${s}`) }))} value={filter.state ?? null} onChange={(state) => set({ state: state ?? undefined })} w={160} />
          </Group>
        }
      >
        <DataTable
          caption={t('nav.deployments')}
          rows={list.data?.items}
          error={list.error}
          onRetry={() => void list.refetch()}
          fetching={list.isPlaceholderData}
          rowKey={(d) => String(d.id)}
          paging={pages(list.data?.next)}
          empty={filtered ? <Empty icon={IconSearch} title={t('table.nothing')} hint={t('table.nothingHint')} /> : <Empty icon={IconRocket} title={t('deployment.none')} hint={t('deployment.noneHint')} action={<Anchor component={Link} to="/firmware/list">{t('nav.firmware')}</Anchor>} />}
          columns={[
            {
              id: 'name',
              label: t('deployment.name'),
              cell: (d) => (
                <Box miw={0}>
                  <Anchor component={Link} to={`/firmware/deployment/${d.id}`} fw={600}>{d.name}</Anchor>
                  <Text size="xs" c="dimmed">#{d.id}{d.firmware ? ` · ${d.firmware.product.name} ${d.firmware.version}` : ''}</Text>
                </Box>
              ),
            },
            { id: 'state', label: t('form.state'), cell: (d) => <DeploymentStateBadge state={d.state} /> },
            {
              id: 'progress',
              label: t('deployment.progress'),
              width: '32%',
              cell: (d) => (
                <Stack gap={4} miw={140}>
                  <OutcomeBar progress={d.progress} size={8} />
                  <Text size="xs" c="dimmed">{t('deployment.of', { done: f.number(d.progress.finished), total: f.number(d.progress.total) })}</Text>
                </Stack>
              ),
            },
            { id: 'rate', label: t('deployment.successRate'), right: true, cell: (d) => (d.progress.success_rate == null ? '–' : f.percent(d.progress.success_rate)) },
            { id: 'failed', label: t('outcome.failed'), right: true, cell: (d) => f.number((d.progress.by_outcome.failed ?? 0) + (d.progress.by_outcome.timeout ?? 0)) },
            { id: 'at', label: t('form.created'), cell: (d) => <When at={d.created_at} /> },
          ]}
        />
      </Panel>
    </>
  );
}
