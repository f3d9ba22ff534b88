<?php
// This file is part of Moodle - https://moodle.org/
//
// Moodle is free software: you can redistribute it and/or modify
// it under the terms of the GNU General Public License as published by
// the Free Software Foundation, either version 3 of the License, or
// (at your option) any later version.
//
// Moodle is distributed in the hope that it will be useful,
// but WITHOUT ANY WARRANTY; without even the implied warranty of
// MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE.  See the
// GNU General Public License for more details.
//
// You should have received a copy of the GNU General Public License
// along with Moodle.  If not, see <https://www.gnu.org/licenses/>.

/**
 * What in a copy still points at its source.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\local;

use context_course;

/**
 * Finds external tools of the source's course and links in texts that lead to the source.
 *
 * Restore adjusts the links it knows. It leaves links with other parameters, and such to what was not restored.
 */
class pointers {
    /** @var int How many are reported at most. */
    public const MOST = 200;

    /** @var string[][] Texts beside those of the module tables: table, the parent's table and field, the fields. */
    private const PARTS = [
        ['book_chapters', 'book', 'bookid', ['content']],
        ['lesson_pages', 'lesson', 'lessonid', ['contents']],
        ['glossary_entries', 'glossary', 'glossaryid', ['definition']],
    ];

    /** @var int[] Ids of the source's activities, as keys. */
    private array $cmids;

    /** @var int[] Ids of the contexts of the source and its activities, as keys. */
    private array $contextids;

    /** @var array[] What was found. */
    private array $found = [];

    /**
     * Constructor.
     *
     * @param int $sourceid
     * @param int $courseid
     */
    public function __construct(
        /** @var int the source */
        private int $sourceid,
        /** @var int the copy */
        private int $courseid
    ) {
        global $DB;
        $this->cmids = array_flip($DB->get_fieldset_select('course_modules', 'id', 'course = ?', [$sourceid]));
        $context = context_course::instance($sourceid);
        $this->contextids = array_flip($DB->get_fieldset_select(
            'context',
            'id',
            'id = :id OR ' . $DB->sql_like('path', ':path'),
            ['id' => $context->id, 'path' => $context->path . '/%']
        ));
    }

    /**
     * Finds them.
     *
     * @return array[]
     */
    public function find(): array {
        $this->look_into_course();
        $this->look_into_modules();
        $this->look_into_tools();
        return array_slice($this->found, 0, self::MOST);
    }

    /**
     * Whether an address leads to the source.
     *
     * @param string $url
     * @return bool
     */
    public function leads_to_source(string $url): bool {
        $url = html_entity_decode($url, ENT_QUOTES | ENT_HTML5);
        if (preg_match('~/(?:plugin|draft)file\.php/(\d+)/~', $url, $match)) {
            return isset($this->contextids[$match[1]]);
        }
        parse_str((string) parse_url($url, PHP_URL_QUERY), $query);
        $path = (string) parse_url($url, PHP_URL_PATH);
        $is = fn(string $name, $id) => isset($query[$name]) && is_string($query[$name]) && $query[$name] === (string) $id;
        if ($is('course', $this->sourceid) || $is('courseid', $this->sourceid)) {
            return true;
        }
        if (isset($query['cmid']) && is_string($query['cmid']) && isset($this->cmids[$query['cmid']])) {
            return true;
        }
        if (!isset($query['id']) || !is_string($query['id'])) {
            return false;
        }
        if (preg_match('~/mod/[a-z0-9_]+/index\.php$~', $path)) {
            return $is('id', $this->sourceid);
        }
        if (preg_match('~/mod/[a-z0-9_]+/[^/]+\.php$~', $path)) {
            return isset($this->cmids[$query['id']]);
        }
        return preg_match('~/(course/view|enrol/index|user/index|grade/report/[a-z]+/index|report/[a-z]+/index)\.php$~', $path)
            && $is('id', $this->sourceid);
    }

    /**
     * Texts of the course, its sections and its blocks.
     */
    private function look_into_course(): void {
        global $DB;
        $this->look_at($DB->get_field('course', 'summary', ['id' => $this->courseid]), ['where' => 'course.summary']);
        $sections = $DB->get_records('course_sections', ['course' => $this->courseid], 'section', 'id, section, summary');
        foreach ($sections as $section) {
            $this->look_at($section->summary, ['where' => 'course_sections.summary', 'name' => (string) $section->section]);
        }
        $blocks = ['parentcontextid' => context_course::instance($this->courseid)->id, 'blockname' => 'html'];
        foreach ($DB->get_records('block_instances', $blocks, 'id', 'id, configdata') as $block) {
            $config = $block->configdata ? unserialize_object(base64_decode($block->configdata)) : null;
            $this->look_at($config->text ?? '', ['where' => 'block_html.text', 'name' => (string) ($config->title ?? '')]);
        }
    }

    /**
     * All texts in the tables of the activities' modules.
     */
    private function look_into_modules(): void {
        global $DB;
        $sql = 'SELECT DISTINCT m.name FROM {course_modules} cm JOIN {modules} m ON m.id = cm.module WHERE cm.course = ?';
        foreach ($DB->get_fieldset_sql($sql, [$this->courseid]) as $modname) {
            $columns = $DB->get_columns($modname);
            $fields = array_keys(array_filter($columns, fn($column) => in_array($column->meta_type, ['C', 'X'])));
            if (isset($columns['course'])) {
                $this->look_into_table($modname, $modname, 'id', $fields);
            }
            foreach (self::PARTS as [$table, $parent, $field, $texts]) {
                if ($parent === $modname) {
                    $this->look_into_table($table, $modname, $field, $texts);
                }
            }
        }
    }

    /**
     * All texts in one table that belongs to a module.
     *
     * @param string $table
     * @param string $modname
     * @param string $instance field with the id of the activity's instance
     * @param string[] $fields
     */
    private function look_into_table(string $table, string $modname, string $instance, array $fields): void {
        global $DB;
        if (!$fields) {
            return;
        }
        $columns = implode(', ', array_map(fn($field) => "t.$field AS text_$field", $fields));
        $sql = "SELECT t.id, cm.id AS cmid, a.name AS activityname, $columns
                  FROM {{$table}} t
                  JOIN {{$modname}} a ON a.id = t.$instance
                  JOIN {course_modules} cm ON cm.instance = a.id AND cm.course = a.course
                  JOIN {modules} m ON m.id = cm.module AND m.name = :modname
                 WHERE a.course = :course
              ORDER BY t.id";
        $rows = $DB->get_recordset_sql($sql, ['modname' => $modname, 'course' => $this->courseid]);
        foreach ($rows as $row) {
            foreach ($fields as $field) {
                $this->look_at($row->{"text_$field"}, [
                    'cmid' => (int) $row->cmid,
                    'modname' => $modname,
                    'name' => $row->activityname,
                    'where' => "$table.$field",
                ]);
            }
        }
        $rows->close();
    }

    /**
     * External tools that are defined in the source's course.
     */
    private function look_into_tools(): void {
        global $DB;
        if (!$DB->get_manager()->table_exists('lti') || !$DB->get_manager()->table_exists('lti_types')) {
            return;
        }
        $sql = "SELECT cm.id, l.name, t.baseurl
                  FROM {lti} l
                  JOIN {lti_types} t ON t.id = l.typeid
                  JOIN {course_modules} cm ON cm.instance = l.id AND cm.course = l.course
                  JOIN {modules} m ON m.id = cm.module AND m.name = 'lti'
                 WHERE l.course = :course AND t.course = :source";
        foreach ($DB->get_records_sql($sql, ['course' => $this->courseid, 'source' => $this->sourceid]) as $tool) {
            $this->found[] = [
                'kind' => 'lti',
                'cmid' => (int) $tool->id,
                'modname' => 'lti',
                'name' => $tool->name,
                'where' => 'lti.typeid',
                'url' => $tool->baseurl,
            ];
        }
    }

    /**
     * Notes the links of one text that lead to the source.
     *
     * @param string|null $text
     * @param array $where
     */
    private function look_at(?string $text, array $where): void {
        global $CFG;
        if ($text === null || $text === '' || strpos($text, '.php') === false) {
            return;
        }
        $site = preg_quote(preg_replace('~^https?:~', '', $CFG->wwwroot), '~');
        if (!preg_match_all("~(?:https?:)?$site(/[^\\s\"'<>]+)~i", $text, $matches)) {
            return;
        }
        foreach (array_unique($matches[0]) as $url) {
            if ($this->leads_to_source($url)) {
                $this->found[] = $where + ['kind' => 'link', 'cmid' => 0, 'modname' => '', 'name' => '', 'url' => $url];
            }
        }
    }
}
