import { Anchor, Box, Button, Card, Checkbox, Group, Select, SimpleGrid, Stack, Text, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { IconPhoto, IconPlus, IconRocket, IconSearch } from '@tabler/icons-react';
import { Link, getRouteApi, useNavigate } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { accountQueries, mayChange } from '@/entities/account';
import { type Content, ContentStateBadge, Picture, contentQueries } from '@/entities/content';
import { placeQueries } from '@/entities/place';
import { RegisterContent } from '@/features/content';
import { Deploy } from '@/features/deploy';
import { useDebounced } from '@/shared/lib/hooks';
import { usePages } from '@/shared/lib/paging';
import { Empty, Failure, Loading, PageHeader, When } from '@/shared/ui';

const route = getRouteApi('/ads/list');
/** As many as a deployment carries. */
const MOST = 16;

export function ContentList() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const { cursor, ...filter } = route.useSearch();
  const me = useQuery(accountQueries.me());
  const products = useQuery(placeQueries.products());
  const list = useQuery(contentQueries.list(filter, cursor));
  const [registering, setRegistering] = useState(false);
  const [chosen, setChosen] = useState<Content[]>([]);
  const [deploying, setDeploying] = useState(false);
  const [typed, setTyped] = useState(filter.search ?? '');
  const search = useDebounced(typed.trim());
  const set = (change: Partial<typeof filter>) => void navigate({ to: '/ads/list', search: { ...filter, ...change }, replace: true });
  useEffect(() => {
    if (search !== (filter.search ?? '')) set({ search: search || undefined });
  });
  const pages = usePages(cursor, (next) => void navigate({ to: '/ads/list', search: { ...filter, cursor: next } }))(list.data?.next);
  const may = mayChange(me.data);
  const register = may && <Button leftSection={<IconPlus size={16} />} onClick={() => setRegistering(true)}>{t('content.register')}</Button>;
  const toggle = (content: Content) =>
    setChosen((before) => (before.some((c) => c.id === content.id) ? before.filter((c) => c.id !== content.id) : [...before, content]));
  const first = chosen[0];
  const mayChoose = (c: Content) => c.state === 'available' && (!first || (first.product.id === c.product.id && (chosen.length < MOST || chosen.some((x) => x.id === c.id))));
  return (
    <>
      <PageHeader
        title={t('nav.contents')}
        description={t('content.lead')}
        actions={
          <>
            {chosen.length > 0 && <Button leftSection={<IconRocket size={16} />} onClick={() => setDeploying(true)}>{t('content.deployChosen', { count: chosen.length })}</Button>}
            {chosen.length > 0 && <Button variant="default" onClick={() => setChosen([])}>{t('content.clear')}</Button>}
            {chosen.length === 0 && register}
          </>
        }
      />
      <Group gap="xs" mb="md">
        <TextInput size="sm" value={typed} onChange={(e) => setTyped(e.currentTarget.value)} leftSection={<IconSearch size={16} />} placeholder={t('content.search')} aria-label={t('content.search')} w={240} />
        <Select size="sm" clearable placeholder={t('product.one')} aria-label={t('product.one')} data={products.data?.items.map((p) => p.name) ?? []} value={filter.product ?? null} onChange={(product) => set({ product: product ?? undefined })} w={180} />
      </Group>
      {list.error && !list.data ? <Failure error={list.error} onRetry={() => void list.refetch()} /> : !list.data ? <Loading rows={2} height={180} /> : list.data.items.length === 0 ? (
        <Empty icon={IconPhoto} title={filter.search || filter.product ? t('table.nothing') : t('content.none')} hint={filter.search || filter.product ? t('table.nothingHint') : t('content.noneHint')} action={register} />
      ) : (
        <SimpleGrid cols={{ base: 1, xs: 2, md: 3, lg: 4 }} component="ul" m={0} p={0} style={{ listStyle: 'none' }}>
          {list.data.items.map((c) => {
            const at = chosen.findIndex((x) => x.id === c.id);
            return (
              <Card key={c.id} component="li" withBorder padding="sm" style={at >= 0 ? { outline: '2px solid var(--mantine-primary-color-filled)' } : undefined}>
                <Card.Section pos="relative">
                  <Link to="/ads/$id" params={{ id: String(c.id) }} tabIndex={-1} aria-hidden><Picture path={c.thumbnail_path} title="" width={c.width} height={c.height} /></Link>
                  {may && (
                    <Box pos="absolute" top={8} left={8} p={4} bg="var(--mantine-color-body)" style={{ borderRadius: 6 }}>
                      <Checkbox checked={at >= 0} disabled={at < 0 && !mayChoose(c)} onChange={() => toggle(c)} aria-label={t('content.choose', { title: c.title })} label={at >= 0 ? String(at + 1) : undefined} />
                    </Box>
                  )}
                </Card.Section>
                <Stack gap={2} mt="sm">
                  <Group justify="space-between" wrap="nowrap" gap="xs">
                    <Anchor component={Link} to={`/ads/${c.id}`} fw={600} truncate>{c.title}</Anchor>
                    {c.state !== 'available' && <ContentStateBadge state={c.state} />}
                  </Group>
                  <Text size="xs" c="dimmed">{c.product.name} · <When at={c.created_at} /></Text>
                </Stack>
              </Card>
            );
          })}
        </SimpleGrid>
      )}
      {(pages.onNext || pages.onPrevious) && (
        <Group justify="flex-end" mt="md" gap="xs">
          <Button size="xs" variant="default" disabled={!pages.onPrevious} onClick={pages.onPrevious}>{t('table.previous')}</Button>
          <Button size="xs" variant="default" disabled={!pages.onNext} onClick={pages.onNext}>{t('table.next')}</Button>
        </Group>
      )}
      <RegisterContent opened={registering} onClose={() => setRegistering(false)} onDone={(made) => void navigate({ to: '/ads/$id', params: { id: String(made.id) } })} />
      {deploying && first && (
        <Deploy
          opened
          onClose={() => setDeploying(false)}
          onDone={(made) => void navigate({ to: '/firmware/deployment/$id', params: { id: String(made.id) } })}
          payload={{ contents: chosen.map((c) => `id:${c.id}`) }}
          what={chosen.length === 1 ? first.title : t('content.several', { count: chosen.length })}
          product={first.product.name}
          size={chosen.reduce((sum, c) => sum + c.size, 0)}
          above={
            <SimpleGrid cols={Math.min(4, chosen.length)} maw={chosen.length === 1 ? 280 : undefined}>
              {chosen.map((c) => <Picture key={c.id} path={c.preview_path} title={c.title} width={c.width} height={c.height} />)}
            </SimpleGrid>
          }
        />
      )}
    </>
  );
}
