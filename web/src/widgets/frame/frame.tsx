import { ActionIcon, AppShell, Burger, Button, Group, Kbd, Menu, NavLink, ScrollArea, Stack, Text, Tooltip } from '@mantine/core';
import { useDisclosure, useHotkeys } from '@mantine/hooks';
import { spotlight } from '@mantine/spotlight';
import { IconLock, IconLogout, IconSearch, IconUserCircle } from '@tabler/icons-react';
import { Link, useNavigate, useRouterState } from '@tanstack/react-router';
import { type ReactNode, useEffect } from 'react';
import { useTranslation } from 'react-i18next';
import { type Me, useAccountActions } from '@/entities/account';
import { Mark, Preferences } from '@/features/session';
import { SECTIONS } from './nav';
import { Palette } from './palette';

export function Frame({ me, onLock, children }: { me: Me; onLock: () => void; children: ReactNode }) {
  const { t } = useTranslation();
  const [opened, { toggle, close }] = useDisclosure();
  const path = useRouterState({ select: (s) => s.location.pathname });
  const { logout } = useAccountActions();
  const navigate = useNavigate();
  useEffect(close, [path, close]);
  useHotkeys([['/', () => spotlight.open()], ['mod+K', () => spotlight.open()]]);
  const here = (to: string) => (to === '/' ? path === '/' : path === to || path.startsWith(`${to}/`) || (to === '/firmware/list' && /^\/firmware\/\d+/.test(path)) || (to === '/ads/list' && /^\/ads\/\d+/.test(path)));

  return (
    <AppShell header={{ height: 56 }} navbar={{ width: 232, breakpoint: 'sm', collapsed: { mobile: !opened } }} padding="md">
      <a href="#content" className="skip">{t('frame.skip')}</a>
      <AppShell.Header px="md">
        <Group h="100%" justify="space-between" wrap="nowrap" gap="sm">
          <Group gap="sm" wrap="nowrap">
            <Burger opened={opened} onClick={toggle} hiddenFrom="sm" size="sm" aria-label={t('frame.menu')} />
            <Link to="/" aria-label="Argosy" style={{ textDecoration: 'none', color: 'inherit' }}><Mark /></Link>
          </Group>
          <Button variant="default" c="dimmed" fw={400} visibleFrom="xs" leftSection={<IconSearch size={16} />} rightSection={<Kbd size="xs">/</Kbd>} onClick={() => spotlight.open()} maw={420} flex={1} justify="space-between">
            {t('frame.search')}
          </Button>
          <Group gap={4} wrap="nowrap">
            <ActionIcon hiddenFrom="xs" variant="subtle" color="gray" size="lg" onClick={() => spotlight.open()} aria-label={t('frame.search')}><IconSearch size={20} /></ActionIcon>
            <Preferences />
            <Tooltip label={t('lock.now')}>
              <ActionIcon variant="subtle" color="gray" size="lg" onClick={onLock} aria-label={t('lock.now')}><IconLock size={20} stroke={1.7} /></ActionIcon>
            </Tooltip>
            <Menu position="bottom-end">
              <Menu.Target>
                <ActionIcon variant="subtle" color="gray" size="lg" aria-label={t('frame.account', { name: me.user.name })}><IconUserCircle size={22} stroke={1.6} /></ActionIcon>
              </Menu.Target>
              <Menu.Dropdown>
                <Menu.Label>{me.user.name} · {t(`role.${me.user.role}`)}</Menu.Label>
                <Menu.Item leftSection={<IconLogout size={16} />} onClick={() => logout.mutate(undefined, { onSettled: () => void navigate({ to: '/' }) })}>{t('frame.logout')}</Menu.Item>
              </Menu.Dropdown>
            </Menu>
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar>
        <ScrollArea p="xs">
          <Stack component="nav" gap={2} aria-label={t('frame.menu')}>
            {SECTIONS.map((section, i) => (
              <Stack key={i} gap={2} mt={section.title ? 'sm' : 0}>
                {section.title && <Text size="xs" c="dimmed" fw={600} px="sm" py={2}>{t(section.title)}</Text>}
                {section.places.map(({ to, label, icon: Shape }) => (
                  <NavLink key={to} component={Link} to={to} label={t(label)} active={here(to)} aria-current={here(to) ? 'page' : undefined} leftSection={<Shape size={18} stroke={1.7} />} style={{ borderRadius: 8 }} />
                ))}
              </Stack>
            ))}
          </Stack>
        </ScrollArea>
      </AppShell.Navbar>
      <AppShell.Main id="content" tabIndex={-1}>{children}</AppShell.Main>
      <Palette />
    </AppShell>
  );
}

