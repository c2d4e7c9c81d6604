import { Code, Tabs, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { IconHistory, IconMailX } from '@tabler/icons-react';
import { getRouteApi, useNavigate } from '@tanstack/react-router';
import { useTranslation } from 'react-i18next';
import { ledgerQueries } from '@/entities/ledger';
import { usePages } from '@/shared/lib/paging';
import { DataTable, Empty, PageHeader, Panel, When } from '@/shared/ui';

const route = getRouteApi('/audit');

export function Audit() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const { tab = 'audit', cursor } = route.useSearch();
  const audit = useQuery({ ...ledgerQueries.audit({}, cursor), enabled: tab === 'audit' });
  const letters = useQuery({ ...ledgerQueries.deadLetters(undefined, cursor), enabled: tab === 'dead' });
  const pages = usePages(cursor, (next) => void navigate({ to: '/audit', search: { tab, cursor: next } }));
  return (
    <>
      <PageHeader title={t('nav.audit')} description={t('audit.lead')} />
      <Tabs value={tab} onChange={(next) => void navigate({ to: '/audit', search: { tab: next === 'dead' ? 'dead' : 'audit' } })} keepMounted={false}>
        <Tabs.List mb="md">
          <Tabs.Tab value="audit" leftSection={<IconHistory size={16} />}>{t('audit.people')}</Tabs.Tab>
          <Tabs.Tab value="dead" leftSection={<IconMailX size={16} />}>{t('audit.dead')}</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="audit">
          <Panel pad={false}>
            <DataTable
              caption={t('audit.people')}
              rows={audit.data?.items}
              error={audit.error}
              onRetry={() => void audit.refetch()}
              rowKey={(a) => String(a.id)}
              paging={pages(audit.data?.next)}
              empty={<Empty icon={IconHistory} title={t('audit.none')} />}
              columns={[
                { id: 'at', label: t('form.at'), cell: (a) => <When at={a.at} /> },
                { id: 'actor', label: t('audit.actor'), cell: (a) => a.actor },
                { id: 'action', label: t('audit.action'), cell: (a) => <Code>{a.action}</Code> },
                { id: 'subject', label: t('audit.subject'), cell: (a) => a.subject },
                { id: 'detail', label: t('audit.detail'), wideOnly: true, cell: (a) => <Text size="xs" ff="monospace" lineClamp={2} maw={420} style={{ overflowWrap: 'anywhere' }}>{Object.keys(a.detail ?? {}).length ? JSON.stringify(a.detail) : ''}</Text> },
              ]}
            />
          </Panel>
        </Tabs.Panel>
        <Tabs.Panel value="dead">
          <Panel pad={false}>
            <DataTable
              caption={t('audit.dead')}
              rows={letters.data?.items}
              error={letters.error}
              onRetry={() => void letters.refetch()}
              rowKey={(x) => String(x.id)}
              paging={pages(letters.data?.next)}
              empty={<Empty icon={IconMailX} title={t('audit.noDead')} hint={t('audit.noDeadHint')} />}
              columns={[
                { id: 'at', label: t('form.at'), cell: (x) => <When at={x.received_at} /> },
                { id: 'key', label: t('device.key'), cell: (x) => x.key },
                { id: 'topic', label: t('audit.topic'), cell: (x) => <Code>{x.topic}</Code> },
                { id: 'reason', label: t('audit.reason'), cell: (x) => x.reason },
                { id: 'payload', label: t('audit.payload'), wideOnly: true, cell: (x) => <Text size="xs" ff="monospace" lineClamp={2} maw={360} style={{ overflowWrap: 'anywhere' }}>{x.payload}</Text> },
              ]}
            />
          </Panel>
        </Tabs.Panel>
      </Tabs>
    </>
  );
}
