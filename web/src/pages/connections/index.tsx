/** Live connections, as the broker sees them now. */
import { Anchor, Badge, Button, Code, Popover, Stack, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { IconPlugConnected } from '@tabler/icons-react';
import { Link, getRouteApi, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { accountQueries, mayChange } from '@/entities/account';
import { sessionQueries, useSessionActions } from '@/entities/session';
import type { Schemas } from '@/shared/api';
import { usePages } from '@/shared/lib/paging';
import { toast } from '@/shared/lib/toast';
import { Confirm, DataTable, Empty, PageHeader, Panel, When } from '@/shared/ui';

const route = getRouteApi('/connections');

export function Connections() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const { cursor } = route.useSearch();
  const me = useQuery(accountQueries.me());
  const list = useQuery(sessionQueries.list(cursor));
  const { kick } = useSessionActions();
  const [cutting, setCutting] = useState<string | null>(null);
  const pages = usePages(cursor, (next) => void navigate({ to: '/connections', search: { cursor: next } }));
  return (
    <>
      <PageHeader title={t('nav.connections')} description={t('session.lead')} />
      <Panel pad={false}>
        <DataTable
          caption={t('nav.connections')}
          rows={list.data?.items}
          error={list.error}
          onRetry={() => void list.refetch()}
          rowKey={(s) => s.key}
          paging={pages(list.data?.next)}
          empty={<Empty icon={IconPlugConnected} title={t('session.none')} hint={t('session.noneHint')} />}
          columns={[
            { id: 'key', label: t('device.key'), cell: (s) => <Anchor component={Link} to={`/device/${encodeURIComponent(s.key)}`} fw={600}>{s.key}</Anchor> },
            { id: 'address', label: t('session.address'), cell: (s) => <Code>{s.address}</Code> },
            { id: 'door', label: t('session.door'), cell: (s) => <Badge color={s.door === 'mtls' ? 'teal' : 'orange'}>{s.tls_version ?? t('session.plain')}</Badge> },
            { id: 'mqtt', label: 'MQTT', cell: (s) => s.mqtt_version },
            { id: 'serial', label: t('certificate.serial'), wideOnly: true, cell: (s) => (s.certificate_serial ? <Code>{s.certificate_serial}</Code> : '–') },
            {
              id: 'topics',
              label: t('session.subscriptions'),
              right: true,
              cell: (s) => (
                <Popover position="left">
                  <Popover.Target><Button size="compact-xs" variant="subtle">{s.subscriptions.length}</Button></Popover.Target>
                  <Popover.Dropdown><Stack gap={2}>{s.subscriptions.map((x) => <Text key={x} size="xs" ff="monospace">{x}</Text>)}</Stack></Popover.Dropdown>
                </Popover>
              ),
            },
            { id: 'since', label: t('session.since'), cell: (s) => <When at={s.connected_at} /> },
            ...(mayChange(me.data) ? [{ id: 'do', label: t('action.actions'), cell: (s: Schemas['SessionView']) => <Button size="compact-xs" variant="light" color="red" onClick={() => setCutting(s.key)}>{t('session.kick')}</Button> }] : []),
          ]}
        />
      </Panel>
      <Confirm
        opened={cutting !== null}
        onClose={() => setCutting(null)}
        title={t('session.kickTitle', { key: cutting ?? '' })}
        confirmLabel={t('session.kick')}
        danger
        busy={kick.isPending}
        onConfirm={() => cutting && kick.mutate(cutting, { onSuccess: () => { setCutting(null); toast.done(t('session.kicked')); }, onError: (e) => toast.failed(t('session.notKicked'), e) })}
      >
        {t('session.kickText')}
      </Confirm>
    </>
  );
}
